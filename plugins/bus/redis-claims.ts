import { createHash } from 'node:crypto';
import type { Owner } from './bus.js';

/** What Redis runs by itself, and the name by which a server knows it that has run it once: one in a cluster learns it from the first call. */
export interface Script {
  text: string;
  sha: string;
}

const script = (text: string): Script => ({ text, sha: createHash('sha1').update(text).digest('hex') });

// Who has a user is a string with a line for each replica: the number of its claim or 0, when it ends by Redis's clock, and the
// replica's name. What isn't of this form is overruled, and what has ended is left out.
const LINES = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function claims(key)
  local found, value = {}, redis.pcall('GET', key)
  if type(value) == 'table' then
    -- Only what is no string is overruled: of any other error the caller hears.
    if not string.find(value.err, 'WRONGTYPE', 1, true) then redis.call('GET', key) end
    return found
  end
  for alone, till, replica in string.gmatch(value or '', '(%d+):(%d+):([^\\n]+)') do
    till = tonumber(till)
    if till > now then found[#found + 1] = {tonumber(alone), till, replica} end
  end
  return found
end
local function line(claim) return string.format('%.0f:%.0f:%s', claim[1], claim[2], claim[3]) end
local function store(key, kept)
  if #kept == 0 then return redis.call('DEL', key) end
  local lines, last = {}, now
  for i, claim in ipairs(kept) do
    lines[i], last = line(claim), math.max(last, claim[2])
  end
  redis.call('SET', key, table.concat(lines, '\\n'), 'PX', string.format('%.0f', last - now))
end
`;

/** Claims users, as `Bus.claim` says. KEYS: the users'; ARGV: this replica, milliseconds of life, and its number or 0 for each. */
export const CLAIM = script(`${LINES}local answers = {}
for i, key in ipairs(KEYS) do
  local mine, highest, kept, before = tonumber(ARGV[2 + i]), 0, {}, {}
  for place, claim in ipairs(claims(key)) do
    before[place] = line(claim)
    if claim[3] ~= ARGV[1] then
      kept[#kept + 1] = claim
      highest = math.max(highest, claim[1])
    elseif mine > 0 then mine = math.max(mine, claim[1]) end
  end
  if mine <= highest then mine = 0
  else for _, other in ipairs(kept) do other[1] = 0 end end
  kept[#kept + 1] = {mine, now + ARGV[2], ARGV[1]}
  store(key, kept)
  answers[i] = before
end
return answers`);

/** Withdraws claims. KEYS: the users'; ARGV: this replica. */
export const RELEASE = script(`${LINES}for _, key in ipairs(KEYS) do
  local kept = {}
  for _, claim in ipairs(claims(key)) do
    if claim[3] ~= ARGV[1] then kept[#kept + 1] = claim end
  end
  store(key, kept)
end
return 0`);

/** Reads such lines. */
export function toOwners(lines: unknown): Owner[] {
  if (!Array.isArray(lines)) return [];
  return lines.flatMap((line: unknown) => {
    const [, alone, replica] = /^(\d+):\d+:(.+)$/.exec(String(line)) ?? [];
    if (replica === undefined) return [];
    return [{ replica, ...(alone !== '0' && { alone: Number(alone) }) }];
  });
}
