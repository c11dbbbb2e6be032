-- Keeps a subject's grant, unless it was closed: whoever looked before it was taken back may come after.
-- KEYS: the grant. ARGV: the funds it is for, the last ms in which it is kept.
local stored = redis.call('get', KEYS[1])
if not (stored and string.sub(stored, 1, 7) == 'closed:') then
  redis.call('set', KEYS[1], ARGV[1], 'pxat', ARGV[2])
end
