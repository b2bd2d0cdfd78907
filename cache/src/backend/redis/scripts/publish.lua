-- Stores an entry and ends its grant, if the caller has it (G2). ARGV: life, token, number, the entry, its lifetime,
-- the command and the channel of the signal. KEYS[3] is the entry.
local life, token, of, entry, lifetime, command, channel = unpack(ARGV)
local grant = held(life)
local why = lost(grant, token, of)
if why then
  if why == 'voided' then
    redis.call('DEL', KEYS[1])
    return { why, signal(command, channel, 'ended') }
  end
  return { why, 0 }
end
keep(KEYS[3], entry, lifetime)
if grant.mark == '1' and lifetime ~= '0' then
  redis.call('SETRANGE', KEYS[3], 1, '\1')
end
redis.call('DEL', KEYS[1], KEYS[2])
return { grant.mark == '1' and 'stale' or 'fresh', signal(command, channel, 'stored') }
