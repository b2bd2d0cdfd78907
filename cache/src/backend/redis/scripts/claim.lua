-- Claims a place. ARGV: life, token, lease, '=' and the state that was seen ('*': any), the grant that is passed over
-- ('': none, '*': any, else 'TOKEN BEAT'), '1' to pass through a pause. KEYS[3] is the entry.
local life, token, lease, seen, over, through = unpack(ARGV)
local now, grant = number(), held(life)
local failures, left = paused()
if grant then
  if grant.token == token and not grant.is_void then
    grant.beat = beat(now, grant)
    keep(KEYS[1], written('g', grant), lease)
    return { 'granted', grant.number, failures }
  end
  local is_passed = over == '*' or (not grant.is_void and over == grant.token .. ' ' .. grant.beat)
  if not is_passed then
    return { 'held', grant.token, grant.beat, grant.left, grant.is_void and 1 or 0 }
  end
end
if left > 0 and through ~= '1' then
  return { 'paused', failures, left }
end
if seen ~= '*' and seen ~= '=' .. state(KEYS[3]) then
  return { 'changed', text(KEYS[3]) }
end
if grant and now <= tonumber(grant.number) then
  now = tonumber(grant.number) + 1
end
local new = {
  life = life, token = token, number = string.format('%.0f', now), beat = beat(now, grant), mark = '0',
}
keep(KEYS[1], written('g', new), lease)
return { 'granted', new.number, failures }
