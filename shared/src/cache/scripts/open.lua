-- A recorder opens the tags of one LP with a new token, also those that it never closed or that expired, but leaves
-- alone what another recorder has closed since.
-- KEYS: tags. ARGV: the recorder's mark, a new token, its ms to live.
for i = 1, #KEYS do
  local tag = redis.call('get', KEYS[i])
  local closed = tag and string.sub(tag, 1, 7) == 'closed:'
  if not closed or tag == ARGV[1] then
    redis.call('set', KEYS[i], ARGV[2], 'px', ARGV[3])
  end
end
