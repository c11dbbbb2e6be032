-- A recorder closes the tags of one LP. The last to close them counts: it holds the LP's lock, so any before it is done.
-- A server without memory left cannot keep the mark; then the tags go, and with them the answers. The refusal is told.
-- A grant that was taken back is closed in the same way.
-- KEYS: tags. ARGV: the recorder's mark, its ms to live.
local refusal
for i = 1, #KEYS do
  local closed = redis.pcall('set', KEYS[i], ARGV[1], 'px', ARGV[2])
  if closed.err then
    redis.call('del', KEYS[i])
    refusal = closed
  end
end
return refusal
