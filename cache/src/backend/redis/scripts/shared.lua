-- What all scripts share. KEYS[1] is the grant of a place, KEYS[2] its pause; the keys of entries follow.

-- The server's time, in microseconds: no other number of this place has come before, unless the clock was set back.
local function number()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- What a key holds, by a command that reads. What is no text was not written by these scripts, and counts as missing
-- (G7). Another error is no answer: a user without the right to read would find every place free.
local function read(...)
  local found = redis.pcall(...)
  if type(found) == 'table' and found.err and not string.find(found.err, 'WRONGTYPE', 1, true) then
    error(found.err)
  end
  return type(found) == 'string' and found or ''
end

-- The text of a key.
local function text(key)
  return read('GET', key)
end

-- Keeps a text for so many milliseconds: 0 is not at all, '' is for ever.
local function keep(key, value, milliseconds)
  if milliseconds == '0' then
    redis.call('DEL', key)
  elseif milliseconds == '' then
    redis.call('SET', key, value)
  else
    redis.call('SET', key, value, 'PX', milliseconds)
  end
end

-- The first bytes of an entry, which name its state; '' if there is no entry.
local function state(key)
  return read('GETRANGE', key, 0, 9)
end

-- Whether an entry in this state was written by these scripts, so that it can be marked.
local function is_ours(seen)
  return #seen == 10 and string.byte(seen, 1) == 0xD9
end

-- Whether a number is one that these scripts could have written: a stranger's could be larger than any that a client
-- reads, or that is exact.
local function fits(number, most)
  return #number <= 16 and tonumber(number) <= most
end

-- The grant of any life, or its tombstone. One without a lifetime, or in another form, was not written by these
-- scripts: it counts as missing, and is overwritten (S2).
local function anyones()
  local kind, life, token, number, beat, mark =
    string.match(text(KEYS[1]), '^([gv]) (%x+) (%x+) (%d+) (%d+) ([01])$')
  if not kind or #token ~= 16 or not fits(number, 2 ^ 53 - 2) or not fits(beat, 2 ^ 32 - 1) then
    return nil
  end
  local left = redis.call('PTTL', KEYS[1])
  if left < 1 then
    return nil
  end
  return {
    is_void = kind == 'v', life = life, token = token, number = number, beat = beat, mark = mark, left = left,
  }
end

-- The grant of this life, or its tombstone. One of another life counts as missing, too (G10).
local function held(life)
  local grant = anyones()
  if grant and grant.life == life then
    return grant
  end
  return nil
end

local function written(kind, grant)
  return table.concat({ kind, grant.life, grant.token, grant.number, grant.beat, grant.mark }, ' ')
end

-- A beat that differs from that of the lease before.
local function beat(now, before)
  local beat = string.format('%.0f', now % 4294967296)
  if before and beat == before.beat then
    beat = string.format('%.0f', (now + 1) % 4294967296)
  end
  return beat
end

-- Why the caller has no grant; nil if it has.
local function lost(grant, token, number)
  if not grant then
    return 'gone'
  elseif grant.token ~= token then
    return 'overtaken'
  elseif grant.is_void then
    return 'voided'
  elseif grant.number ~= number then
    return 'gone'
  end
  return nil
end

-- The pause: the number of failures, and how long it lasts, which is less than 1 where only its mark is left.
local function paused()
  local failures, length = string.match(text(KEYS[2]), '^(%d+) (%d+)$')
  if not failures or not fits(failures, 2 ^ 32 - 1) then
    return '0', 0
  end
  return failures, redis.call('PTTL', KEYS[2]) - length
end

-- Voids the grant, and clears the pause. Returns 1 if there was a grant of this life. A tombstone stays as it is.
--
-- A grant of another life is voided, too: a primary begins another history when its first replica comes, and until the
-- next heartbeats some connections know the life of before, and some the new one (G3).
local function void(life, milliseconds)
  redis.call('DEL', KEYS[2])
  local grant = anyones()
  if not grant or grant.is_void then
    return 0
  end
  keep(KEYS[1], written('v', grant), milliseconds)
  return grant.life == life and 1 or 0
end

-- Tells those who wait for the place. The last step of a script: what it returns does not depend on it, and a user
-- that has no right to the channel has changed all the same. Returns 1 if that right is missing.
local function signal(command, channel, what)
  if command ~= '' then
    local told = redis.pcall(command, channel, what)
    if type(told) == 'table' and told.err then
      return 1
    end
  end
  return 0
end
