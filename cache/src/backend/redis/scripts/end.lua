-- Ends a grant without a value. ARGV: life, token, number ('0': any), the number of failures, the length of the pause
-- and twice that length ('0': no pause), the command and the channel of the signal.
local life, token, of, failures, pause, twice, command, channel = unpack(ARGV)
local grant = held(life)
if grant and of == '0' then
  of = grant.number
end
local why = lost(grant, token, of)
if why and why ~= 'voided' then
  return { why, 0 }
end
redis.call('DEL', KEYS[1])
if not why and pause ~= '0' then
  keep(KEYS[2], failures .. ' ' .. pause, twice)
end
return { why or 'yes', signal(command, channel, 'ended') }
