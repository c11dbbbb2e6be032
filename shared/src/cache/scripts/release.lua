-- Gives a lease back, unless it expired and is another's now.
-- KEYS: the lease. ARGV: the holder's token.
if redis.call('get', KEYS[1]) == ARGV[1] then
  redis.call('del', KEYS[1])
end
