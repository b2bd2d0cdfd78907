-- Gives an entry other bytes and another lifetime, if it is in the state that was seen. The mark stays. ARGV: life, the
-- entry, its lifetime, '=' and the state that was seen, the command and the channel of the signal. KEYS[3] is the
-- entry.
local _, entry, lifetime, seen, command, channel = unpack(ARGV)
local before = state(KEYS[3])
if before == '' or seen ~= '=' .. before then
  return { 'refused', text(KEYS[3]) }
end
keep(KEYS[3], entry, lifetime)
if is_ours(before) and lifetime ~= '0' then
  redis.call('SETRANGE', KEYS[3], 1, string.sub(before, 2, 2))
end
return { 'yes', 1, 0, signal(command, channel, 'stored') }
