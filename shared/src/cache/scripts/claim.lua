-- A reader's turn at loading one answer: the tokens to fill it under, and the lease of loading it.
-- KEYS: the lease, then the report's tags. ARGV: a new token, its ms to live, the lease's ms to live.
-- Gives {} while a tag is closed: nothing may be planted then. Otherwise whether the lease was had, then the tokens.
local claim = {}
for i = 2, #KEYS do
  local token = redis.call('get', KEYS[i])
  if not token then
    token = ARGV[1]
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
