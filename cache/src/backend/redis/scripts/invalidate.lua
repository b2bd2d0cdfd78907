-- Deletes entries, and voids the grant. ARGV: life, the lifetime of a tombstone, the command and the channel of the
-- signal. KEYS[3] is the entry of the caller's shape; others may follow. The entries go first: a server that is out of
-- memory refuses a script's first write, unless that gives memory back.
local life, tombstone, command, channel = unpack(ARGV)
local was_there = state(KEYS[3]) == '' and 0 or 1
redis.call('DEL', unpack(KEYS, 3))
local voided = void(life, tombstone)
return { 'yes', was_there, voided, signal(command, channel, 'ended') }
