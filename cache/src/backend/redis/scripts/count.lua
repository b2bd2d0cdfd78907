-- Moves a counter. KEYS[1] is the counter. ARGV: what is added, the largest value from which that may be added ('':
-- none), the lifetime of a counter that this creates. Numbers of 2^53 and more are exact in the server's own integers
-- alone, so they are compared as texts.
local delta, largest, lifetime = unpack(ARGV)
local function is_less(one, other)
  if #one ~= #other then
    return #one < #other
  end
  return one < other
end
local found = redis.pcall('GET', KEYS[1])
if type(found) == 'table' and found.err and not string.find(found.err, 'WRONGTYPE', 1, true) then
  error(found.err)
end
local now = type(found) == 'string' and (string.match(found, '^[1-9]%d*$') or string.match(found, '^0$')) or nil
if now and is_less('9223372036854775807', now) then
  now = nil
end
local value = now or '0'
if string.sub(delta, 1, 1) == '-' then
  if not now then
    return { 'now', '0' }
  elseif is_less(value, string.sub(delta, 2)) then
    redis.call('SET', KEYS[1], '0', 'KEEPTTL')
    return { 'now', '0' }
  end
elseif largest == '' or is_less(largest, value) then
  return { 'too large', value }
elseif not now then
  if delta ~= '0' then
    if lifetime == '0' then
      redis.call('DEL', KEYS[1])
    elseif lifetime == '' then
      redis.call('SET', KEYS[1], delta)
    else
      redis.call('SET', KEYS[1], delta, 'PX', lifetime)
    end
  end
  return { 'now', delta }
end
redis.call('INCRBY', KEYS[1], delta)
return { 'now', redis.call('GET', KEYS[1]) }
