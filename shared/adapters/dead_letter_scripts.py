"""What changes a letter in Redis, as scripts: each of them happens whole or not at all.

    billing:{dead-letters}               stream: each event, its attributes and its data, never changed
    billing:{dead-letters}:index         hash: what makes a letter the same → its id, or `corrected` once the
                                         letter of an event that was corrected is removed
    billing:{dead-letters}:letter:ID     hash: its state, its last failure, and what a list shows; `failed` is
                                         a JSON list of each destination's last failure, the newest last
    billing:{dead-letters}:history:ID    list: milliseconds and JSON of each action, only ever added to
    billing:{dead-letters}:all           sorted set of ids, padded so that they sort by age; one for each
    billing:{dead-letters}:STATE         state besides
    billing:{dead-letters}:settled       sorted set: the ids that do not wait, by the milliseconds since when

All keys are in one hash slot, as a cluster wants it of a script.
"""

from typing import Final

STREAM: Final = "billing:{dead-letters}"
INDEX: Final = f"{STREAM}:index"
ALL: Final = f"{STREAM}:all"
DESTINATIONS_MAX: Final = 16
FAILED_BYTES_MAX: Final = 32 * 1024
"""Of all failures of a letter together; two of them have room in any case."""

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
    if state == 'waiting' then redis.call('ZREM', base .. ':settled', id)
    else redis.call('ZADD', base .. ':settled', now, id) end
end
local function create(identity, attributes, data, failures, action, fields)
    local id = redis.call('XADD', base, '*', 'attributes', attributes, 'data', data)
    redis.call('HSET', index, identity, id)
    redis.call('HSET', letter(id), 'identity', identity, 'received_ms', now, 'failed_ms', now,
        'failures', failures, 'replays', 0, 'drains', 0, 'left_out', 0, 'failed', '[]', unpack(fields))
    redis.call('ZADD', base .. ':all', 0, padded(id))
    enter(id, 'waiting')
    record(id, action)
    return id
end
local function failed(id) return cjson.decode(redis.call('HGET', letter(id), 'failed') or '[]') end
local function set_failed(id, all)
    redis.call('HSET', letter(id), 'failed', #all > 0 and cjson.encode(all) or '[]')
end
local function count_drain(id)
    redis.call('HINCRBY', letter(id), 'drains', redis.call('HGET', letter(id), 'is_drained') or 0)
    redis.call('HDEL', letter(id), 'is_drained')
end
local function rest(first)
    local values = {}
    for n = first, #ARGV do values[n - first + 1] = ARGV[n] end
    return values
end
"""

# Failures that a replay closed stay for their count and their mark alone; being older and not transient any
# more, they are the first to go. The newest always stays, and of those that are transient one more, so that
# what there is no room for is still drained.
_FAILED: Final = f"""
local function evicted(all)
    for n = 1, #all - 1 do if not all[n].is_transient then return n end end
    return 1
end
local function note(id, failure)
    local all = {{}}
    for _, known in ipairs(failed(id)) do
        if known.destination == failure.destination then failure.count = known.count
        else all[#all + 1] = known end
    end
    failure.is_open, failure.failed_ms, failure.count = true, now, failure.count + 1
    failure.number = tonumber(redis.call('HGET', letter(id), 'failures'))
    all[#all + 1] = failure
    while #all > 1 and (#all > {DESTINATIONS_MAX} or #cjson.encode(all) > {FAILED_BYTES_MAX}) do
        local left_out = table.remove(all, evicted(all))
        if left_out.is_open then redis.call('HINCRBY', letter(id), 'left_out', 1) end
    end
    set_failed(id, all)
    if failure.is_transient then count_drain(id) end
end
"""

# Writes even where nothing changes, so that there is something to wait for on disk. Without a mark there is
# no telling a failure from the same one told again: then it counts. An entry of the index that leads nowhere
# must not swallow an event.
KEEP: Final = f"""{_COMMON}{_FAILED}
local identity, action, attributes, data = unpack(ARGV, 1, 4)
local failure, fields = cjson.decode(ARGV[5]), rest(6)
local id = redis.call('HGET', index, identity)
if not id or id ~= 'corrected' and redis.call('EXISTS', letter(id)) == 0 then
    id = create(identity, attributes, data, 1, action, fields)
    note(id, failure)
    return id
end
redis.call('HSET', index, identity, id)
if id == 'corrected' then return '' end
local is_new = true
for _, known in ipairs(failed(id)) do
    if known.destination == failure.destination then
        if failure.mark ~= '' and failure.mark == known.mark then return id end
        is_new = not known.is_open or known.reason ~= failure.reason
    end
end
redis.call('HINCRBY', letter(id), 'failures', 1)
redis.call('HSET', letter(id), 'failed_ms', now, unpack(fields))
note(id, failure)
if redis.call('HGET', letter(id), 'state') == 'replayed' then enter(id, 'waiting') end
if is_new then record(id, action) end
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

# A letter that failed again while it was being sent is waiting, not replayed, for those failures alone.
SETTLE: Final = f"""{_COMMON}
local id, token, state, failures, action, is_drain = unpack(ARGV, 1, 6)
if redis.call('HGET', letter(id), 'claim') ~= token then return 'lost' end
redis.call('HDEL', letter(id), 'claim', 'claimed_ms')
record(id, action)
if state == 'replayed' then
    redis.call('HINCRBY', letter(id), 'replays', 1)
    redis.call('HSET', letter(id), 'left_out', 0, 'is_drained', is_drain)
    if is_drain == '0' then redis.call('HSET', letter(id), 'drains', 0) end
    if redis.call('HGET', letter(id), 'failures') ~= failures then state = 'waiting' end
    local all, is_transient = failed(id), false
    for n, known in ipairs(all) do
        if known.number <= tonumber(failures) then
            all[n] = {{destination = known.destination, count = known.count, mark = known.mark,
                number = known.number, is_open = false}}
        end
        is_transient = is_transient or all[n].is_transient
    end
    set_failed(id, all)
    if is_transient then count_drain(id) end
end
enter(id, state)
if state ~= 'corrected' then return id end
local identity, attributes, data, created = unpack(ARGV, 7, 10)
local correction = create(identity, attributes, data, 0, created, rest(11))
redis.call('HSET', letter(correction), 'corrects', id)
redis.call('HSET', letter(id), 'corrected_by', correction)
return correction
"""

VAIN: Final = f"""{_COMMON}
local id, action = unpack(ARGV, 1, 2)
if redis.call('HGET', letter(id), 'state') ~= 'waiting' then return 0 end
record(id, action)
return redis.call('HINCRBY', letter(id), 'drains', 1)
"""

# What was corrected must not come back as a letter that can be corrected again: it would count twice.
TIDY: Final = f"""{_COMMON}
local settled_ms, limit = unpack(ARGV, 1, 2)
local removed = 0
local until_ms = string.format('%.0f', now - settled_ms)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', base .. ':settled', '-inf', until_ms, 'LIMIT', 0, limit)) do
    local state, identity, claimed_ms =
        unpack(redis.call('HMGET', letter(id), 'state', 'identity', 'claimed_ms'))
    if not claimed_ms or tonumber(claimed_ms) <= tonumber(now) then
        redis.call('ZREM', base .. ':settled', id)
        redis.call('ZREM', base .. ':all', padded(id))
        redis.call('ZREM', base .. ':' .. state, padded(id))
        redis.call('XDEL', base, id)
        redis.call('DEL', letter(id), base .. ':history:' .. id)
        if identity and state == 'corrected' then redis.call('HSET', index, identity, state)
        elseif identity then redis.call('HDEL', index, identity) end
        removed = removed + 1
    end
end
return removed
"""
