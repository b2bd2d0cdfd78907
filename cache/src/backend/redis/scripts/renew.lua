-- Begins a lease anew. ARGV: life, token, number, lease.
local life, token, of, lease = unpack(ARGV)
local grant = held(life)
local why = lost(grant, token, of)
if why then
  return why
end
grant.beat = beat(number(), grant)
keep(KEYS[1], written('g', grant), lease)
return 'yes'
