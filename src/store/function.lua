#!lua name=proxyherd
-- The newest version of each client's location. docs/design/store.md has the keys, src/store/contract.rs the arguments.
--
-- A newer library must answer older servers: a function's arguments and replies never change. What changes gets
-- another name. Then VERSION grows by one.
local VERSION = 1

-- The index of places ends here; GEOADD refuses what is beyond.
local MOST_LATITUDE = 85.05112878

-- How many entries of an index a new client has looked at.
local LOOKED_AT = 4

-- Whether one string is greater than another, byte by byte. Not `>`: it follows the locale of this server.
local function is_greater(one, other)
  for at = 1, math.min(#one, #other) do
    local ours, theirs = string.byte(one, at), string.byte(other, at)
    if ours ~= theirs then
      return ours > theirs
    end
  end
  return #one > #other
end

-- The second word of a line: the server that heard the client.
local function origin(line)
  local before = string.find(line, ' ', 1, true) or #line
  local after = string.find(line, ' ', before + 1, true) or #line + 1
  return string.sub(line, before + 1, after - 1)
end

-- Whether a key has one of our values: 22 digits, a space, a line.
local function is_value(text)
  return string.find(text, ' ', 1, true) == 23 and not string.find(string.sub(text, 1, 22), '%D')
end

-- Whether a value is newer than another. Eleven digits are exact as a number.
local function is_newer(one, other)
  for _, from in ipairs({1, 12}) do
    local ours = tonumber(string.sub(one, from, from + 10))
    local theirs = tonumber(string.sub(other, from, from + 10))
    if ours ~= theirs then
      return ours > theirs
    end
  end
  local ours, theirs = string.sub(one, 24), string.sub(other, 24)
  local our_origin, their_origin = origin(ours), origin(theirs)
  if our_origin ~= their_origin then
    return is_greater(our_origin, their_origin)
  end
  return is_greater(ours, theirs)
end

-- Removes entries of clients that have expired. Their keys begin as `prefix` does.
local function tidy_up(places, prefix)
  for _, client in ipairs(redis.call('ZRANDMEMBER', places, LOOKED_AT)) do
    if redis.call('EXISTS', prefix .. client) == 0 then
      redis.call('ZREM', places, client)
    end
  end
end

-- KEYS: the client's, the index of its bucket. ARGV: value, when it expires (ms), longitude, latitude (both empty if
-- the version has no location), "1" if the client may be a new one, "1" if something must be written in any case.
-- Replies 2 (stored, a new client), 1 (stored), 0 (it is there already), -1 (a new client, and it may not be), or the
-- newer value that is there.
local function offer(keys, args)
  local key, places = keys[1], keys[2]
  local value, expires, longitude, latitude, may_be_new, must_write = unpack(args)
  local known = redis.call('GET', key)
  if known and not is_value(known) then
    return redis.error_reply('NOTOURS the key of the client has something else')
  end
  if known and (known == value or is_newer(known, value)) then
    if must_write == '1' then
      redis.call('SET', key, known, 'KEEPTTL')
    end
    return known == value and 0 or known
  end
  if not known and may_be_new ~= '1' then
    return -1
  end
  local colon = string.find(key, '}:', 1, true) + 1
  local client = string.sub(key, colon + 1)
  -- First: it may be refused, and nothing would be rolled back.
  if latitude ~= '' and math.abs(tonumber(latitude)) <= MOST_LATITUDE then
    redis.call('GEOADD', places, longitude, latitude, client)
  else
    redis.call('ZREM', places, client)
  end
  redis.call('SET', key, value, 'PXAT', expires)
  if known then
    return 1
  end
  tidy_up(places, string.sub(key, 1, colon))
  return 2
end

redis.register_function('proxyherd_offer', offer)
redis.register_function{
  function_name = 'proxyherd_version',
  callback = function() return VERSION end,
  flags = {'no-writes'}
}
