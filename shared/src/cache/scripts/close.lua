-- A recorder closes the tags of one LP. The last to close them counts: it holds the LP's lock, so any before it is done.
-- KEYS: tags. ARGV: the recorder's mark, its ms to live.
for i = 1, #KEYS do
  redis.call('set', KEYS[i], ARGV[1], 'px', ARGV[2])
end
