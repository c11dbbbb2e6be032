-- A recorder opens the tags of one LP: it takes them away, and the next reader makes a new token. Also those that it never
-- closed or that expired, but not what another recorder has closed since. Taking away needs no memory, so it works on a
-- server that has none left.
-- KEYS: tags. ARGV: the recorder's mark.
for i = 1, #KEYS do
  local tag = redis.call('get', KEYS[i])
  local closed = tag and string.sub(tag, 1, 7) == 'closed:'
  if not closed or tag == ARGV[1] then
    redis.call('del', KEYS[i])
  end
end
