-- Stores an entry: always, or if the entry is in the state that was seen. ARGV: life, the entry, its lifetime, '=' and
-- the state that was seen ('*': any), the lifetime of a tombstone, the command and the channel of the signal. KEYS[3]
-- is the entry.
local life, entry, lifetime, seen, tombstone, command, channel = unpack(ARGV)
local before = state(KEYS[3])
if seen ~= '*' and seen ~= '=' .. before then
  return { 'refused', text(KEYS[3]) }
end
keep(KEYS[3], entry, lifetime)
local voided = void(life, tombstone)
return { 'yes', before == '' and 0 or 1, voided, signal(command, channel, 'stored') }
