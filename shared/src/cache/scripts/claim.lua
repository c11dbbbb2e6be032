-- A reader's turn at loading one answer: the tokens to fill it under, and the lease of loading it.
-- KEYS: the lease, then the report's tags. ARGV: the reader's name, a token's ms to live, the lease's ms to live.
-- Gives {} while a tag is closed: nothing may be planted then. Otherwise whether the lease was had, then the tokens.
-- A new token is of this run of the script alone. What a client sends twice, after its first link has died, may arrive late: were
-- the token the sender's, a tag that a recorder has opened since would be given the one under which the old answer was planted.
local claim = {}
local fresh
for i = 2, #KEYS do
  local token = redis.call('get', KEYS[i])
  if not token then
    fresh = fresh or string.sub(redis.sha1hex(ARGV[1] .. table.concat(redis.call('time'), '.')), 1, 32)
    token = fresh
    redis.call('set', KEYS[i], token, 'px', ARGV[2])
  elseif string.sub(token, 1, 7) == 'closed:' then
    return {}
  else
    redis.call('pexpire', KEYS[i], ARGV[2])
  end
  claim[i] = token
end
claim[1] = redis.call('set', KEYS[1], ARGV[1], 'nx', 'px', ARGV[3]) and 'leased' or 'taken'
return claim
