"""What changes a letter in Redis, as scripts: each of them happens whole or not at all.

    billing:{dead-letters}               stream: each event, its attributes and its data, never changed
    billing:{dead-letters}:index         hash: what makes a letter the same → its id
    billing:{dead-letters}:letter:ID     hash: its state, its last failure, and what a list shows
    billing:{dead-letters}:history:ID    list: milliseconds and JSON of each action, only ever added to
    billing:{dead-letters}:all           sorted set of ids, padded so that they sort by age; one for each
    billing:{dead-letters}:STATE         state besides

All keys are in one hash slot, as a cluster wants it of a script.
"""

from typing import Final

STREAM: Final = "billing:{dead-letters}"
INDEX: Final = f"{STREAM}:index"
ALL: Final = f"{STREAM}:all"

_COMMON: Final = """
local base, index = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] .. string.format('%03d', math.floor(time[2] / 1000))
local function letter(id) return base .. ':letter:' .. id end
local function padded(id)
    local ms, seq = string.match(id, '(%d+)-(%d+)')
    return string.rep('0', 15 - #ms) .. ms .. '-' .. string.rep('0', 10 - #seq) .. seq
end
local function record(id, action) redis.call('RPUSH', base .. ':history:' .. id, now .. ' ' .. action) end
local function enter(id, state)
    local before = redis.call('HGET', letter(id), 'state')
    if before then redis.call('ZREM', base .. ':' .. before, padded(id)) end
    redis.call('HSET', letter(id), 'state', state)
    redis.call('ZADD', base .. ':' .. state, 0, padded(id))
end
local function create(identity, attributes, data, failures, action, fields)
    local id = redis.call('XADD', base, '*', 'attributes', attributes, 'data', data)
    redis.call('HSET', index, identity, id)
    redis.call('HSET', letter(id), 'received_ms', now, 'failed_ms', now, 'failures', failures, 'replays', 0,
        unpack(fields))
    redis.call('ZADD', base .. ':all', 0, padded(id))
    enter(id, 'waiting')
    record(id, action)
    return id
end
local function rest(first)
    local values = {}
    for n = first, #ARGV do values[n - first + 1] = ARGV[n] end
    return values
end
"""

# Writes even where nothing changes, so that there is something to wait for on disk. Without a mark there is
# no telling a failure from the same one told again: then it counts.
KEEP: Final = f"""{_COMMON}
local identity, mark, action, attributes, data = unpack(ARGV, 1, 5)
local id = redis.call('HGET', index, identity)
if not id then return create(identity, attributes, data, 1, action, rest(6)) end
redis.call('HSET', index, identity, id)
local state, last, reason = unpack(redis.call('HMGET', letter(id), 'state', 'mark', 'reason'))
if mark ~= '' and mark == last then return id end
redis.call('HINCRBY', letter(id), 'failures', 1)
redis.call('HSET', letter(id), 'failed_ms', now, unpack(rest(6)))
local is_new = redis.call('HGET', letter(id), 'reason') ~= reason
if state == 'replayed' then enter(id, 'waiting') end
if state == 'replayed' or is_new then record(id, action) end
return id
"""

# Nobody else may act on a letter while a claim on it lasts, so that it is never both sent again and
# corrected; whoever dies meanwhile leaves it as it was.
CLAIM: Final = f"""{_COMMON}
local id, token, lasts_ms = unpack(ARGV, 1, 3)
local state, until_ms, failures = unpack(redis.call('HMGET', letter(id), 'state', 'claimed_ms', 'failures'))
if not state then return {{'missing'}} end
local is_allowed = false
for _, allowed in ipairs(rest(4)) do is_allowed = is_allowed or allowed == state end
if not is_allowed then return {{state}} end
if until_ms and tonumber(until_ms) > tonumber(now) then return {{'claimed'}} end
redis.call('HSET', letter(id), 'claim', token, 'claimed_ms', string.format('%.0f', now + lasts_ms))
return {{'ok', failures}}
"""

RELEASE: Final = f"""{_COMMON}
local id, token = unpack(ARGV, 1, 2)
if redis.call('HGET', letter(id), 'claim') == token then
    redis.call('HDEL', letter(id), 'claim', 'claimed_ms')
end
return 1
"""

# A letter that failed again while it was being sent is waiting, not replayed.
SETTLE: Final = f"""{_COMMON}
local id, token, state, failures, action = unpack(ARGV, 1, 5)
if redis.call('HGET', letter(id), 'claim') ~= token then return 'lost' end
redis.call('HDEL', letter(id), 'claim', 'claimed_ms')
record(id, action)
if state == 'replayed' then
    redis.call('HINCRBY', letter(id), 'replays', 1)
    if redis.call('HGET', letter(id), 'failures') ~= failures then state = 'waiting' end
end
enter(id, state)
if state ~= 'corrected' then return id end
local identity, attributes, data, created = unpack(ARGV, 6, 9)
local correction = create(identity, attributes, data, 0, created, rest(10))
redis.call('HSET', letter(correction), 'corrects', id)
redis.call('HSET', letter(id), 'corrected_by', correction)
return correction
"""
