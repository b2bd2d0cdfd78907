-- Marks entries stale, and what the grant publishes next. ARGV: life, the number of the new state, the command and the
-- channel of the signal. KEYS[3] is the entry of the caller's shape; others may follow.
local _, new, command, channel = unpack(ARGV)
local before = state(KEYS[3])
for at = 3, #KEYS do
  if is_ours(state(KEYS[at])) then
    redis.call('SETRANGE', KEYS[at], 1, '\1' .. new)
  end
end
-- (Of any life: see `void`.)
local grant = anyones()
if grant then
  grant.mark = '1'
  redis.call('SET', KEYS[1], written(grant.is_void and 'v' or 'g', grant), 'KEEPTTL')
end
return { 'yes', before == '' and 0 or 1, 0, signal(command, channel, 'stored') }
