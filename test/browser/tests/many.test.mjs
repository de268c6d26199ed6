import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { write } from '../database.mjs';
import { bubble, composer, fate, find, launch, open, say, signIn, startServer, until } from '../harness.mjs';
import { startLine } from '../line.mjs';

const people = 5_000;
const long = 800_000;
let server;
let browser;
let ana;
let ben;
let reader;
const errors = [];

before(async () => {
  server = await startServer();
  browser = await launch();
  ana = await server.account('Ana');
  ben = await server.account('Ben');
  reader = await server.account('Reader');
  await write(
    server,
    `insert into users (username, name_key, password)
       select 'p' || n, 'p' || n, 'none' from generate_series(1, ${people}) n;
     insert into conversations (user_a, user_b)
       select least(user_id, ${ana.user_id}), greatest(user_id, ${ana.user_id}) from users where password = 'none';
     insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
       select conversation_id, seq, nextval('message_ids'), user_a + user_b - ${ana.user_id},
         now() - interval '1 day', '~' || seq, 'hello ' || seq
       from conversations, generate_series(1, 2) seq order by conversation_id, seq;
     insert into conversations (user_a, user_b)
       select least(user_id, ${reader.user_id}), greatest(user_id, ${reader.user_id})
       from users where password = 'none' order by user_id limit 250;
     insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
       select conversation_id, 1, nextval('message_ids'), user_a + user_b - ${reader.user_id}, now(), '~1', 'unread'
       from conversations where ${reader.user_id} in (user_a, user_b);
     insert into conversations (user_a, user_b) values (${ben.user_id}, ${reader.user_id});
     insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
       select conversation_id, seq, nextval('message_ids'), case seq % 2 when 0 then user_a else user_b end,
         now() - interval '1 hour', '~' || seq, 'number ' || seq
       from conversations, generate_series(1, ${long}) seq where user_a = ${ben.user_id} and user_b = ${reader.user_id};
     insert into members (user_id, conversation_id)
       select unnest(array[user_a, user_b]), conversation_id from conversations;
     insert into cursors (user_id, conversation_id, read_seq, delivered_seq)
       select unnest(array[user_a, user_b]), conversation_id, ${long}, ${long}
       from conversations where user_a = ${ben.user_id} and user_b = ${reader.user_id};
     analyze;`,
  );
});
after(async () => {
  await browser?.close();
  await server?.end();
});

async function visitor(t, origin = server.origin) {
  const opened = await open(browser, origin);
  t.after(async () => {
    errors.push(...opened.errors);
    await opened.context.close();
  });
  return opened;
}

const send = (to, content, from) =>
  server.post('/api/messages', { to_user_id: to.user_id, content }, from.token);

test('on a new device one talks before the list of 5,000 conversations is there', async (t) => {
  const { page } = await visitor(t);
  let held = true;
  await page.route('**/api/conversations?*cursor=*', async (route) => {
    await until('the list may go on', () => !held, 120_000);
    await route.continue().catch(() => {});
  });
  await signIn(page, ana);
  // Somebody far down in the list.
  await find(page, 'p17');
  await say(page, 'already');
  await fate(page, 'already', 'sent');
  await send(ana, 'from Ben', ben);
  const entry = page.locator('a.conversation', { hasText: 'Ben' });
  await entry.locator('.badge').getByText('1', { exact: true }).waitFor();
  await page.locator('.banner').waitFor({ state: 'detached' });
  held = false;
  // Then it is whole: what was there before is read above, and everything is counted, as far as it is worth it.
  await bubble(page, 'hello 2').waitFor();
  await until('the title', async () => (await page.title()) === '(999+) Chat', 120_000);
});

test('what was read elsewhere while one was away counts no more, however much it was', async (t) => {
  const line = await startLine(server);
  t.after(() => line.end());
  const { page } = await visitor(t, line.origin);
  await signIn(page, reader);
  await until('the title', async () => (await page.title()) === '(250) Chat');
  line.cut();
  await page.locator('.banner', { hasText: 'No connection' }).waitFor();
  for (let cursor = ''; cursor !== null; ) {
    const { data } = await server.get(
      `/api/conversations?limit=100${cursor && `&cursor=${cursor}`}`,
      reader.token,
    );
    for (const { conversation_id } of data.conversations)
      await server.post(`/api/conversations/${conversation_id}/read`, { seq: 1 }, reader.token);
    cursor = data.next_cursor;
  }
  line.mend();
  await page.evaluate(() => document.querySelector('.banner .link')?.click());
  await until('the title', async () => (await page.title()) === 'Chat');
});

const scroller = (page) => page.locator('.scroller');
const scrollTo = (page, part) =>
  scroller(page).evaluate((element, where) => {
    element.scrollTop = (element.scrollHeight - element.clientHeight) * where;
  }, part);
/** The numbers of the messages in sight, once they are there. */
const inSight = (page) =>
  until('the messages in sight', () =>
    scroller(page).evaluate((element) => {
      const box = element.getBoundingClientRect();
      const rows = [...element.querySelectorAll('.row')].filter((row) => {
        const { top, bottom } = row.getBoundingClientRect();
        return bottom > box.top && top < box.bottom;
      });
      if (rows.length < 5 || rows.some((row) => row.classList.contains('empty'))) return null;
      return rows.map((row) => Number(/^number (\d+)$/.exec(row.querySelector('.text').textContent)?.[1]));
    }),
  );

test(`a thread of ${long} messages has an end, a beginning and all between`, async (t) => {
  const { page } = await visitor(t);
  await signIn(page, ben);
  await page.locator('a.conversation', { hasText: 'number' }).click();
  await composer(page).waitFor();
  await until('the end', async () => (await inSight(page)).at(-1) === long);
  await scrollTo(page, 0);
  await until('the beginning', async () => (await inSight(page))[0] === 1);
  await scrollTo(page, 0.5);
  const middle = await until('the middle', async () => {
    const [first] = await inSight(page);
    return first > long * 0.4 && first < long * 0.6 && first;
  });
  // The wheel goes on from there, row by row.
  await scroller(page).hover();
  await page.mouse.wheel(0, 400);
  await until('a few rows on', async () => {
    const [first] = await inSight(page);
    return first > middle && first < middle + 20;
  });
  await scrollTo(page, 1);
  await until('the end', async () => (await inSight(page)).at(-1) === long);
  await say(page, 'one more');
  await fate(page, 'one more', 'sent');
});

const pasted = 'lorem ipsum dolor sit amet '.repeat(18_519);
const KEYS = 10;

/** Milliseconds of the page's own processor time for a key in a field that holds a book: the cheapest of some. */
async function keyCost(page, selector) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const drawn = () =>
    page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
  const spent = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration').value * 1000;
  };
  await page.evaluate(
    ([where, text]) => {
      const box = document.querySelector(where);
      box.focus();
      box.setRangeText(text, 0, 0, 'end');
      box.dispatchEvent(new InputEvent('input', { bubbles: true }));
    },
    [selector, pasted],
  );
  await drawn();
  const costs = [];
  for (let i = 0; i < KEYS; i++) {
    const before = await spent();
    await page.keyboard.type('x');
    await drawn();
    costs.push((await spent()) - before);
  }
  return Math.min(...costs);
}

test('after a paste of 500,000 characters a key costs little more than what the browser takes for it', async (t) => {
  const { page } = await visitor(t);
  await page.goto(server.origin);
  await signIn(page, ben);
  await find(page, 'Ana');
  // A field that looks like ours, and that nobody listens to.
  await composer(page).evaluate((box) => {
    const bare = box.cloneNode();
    const { left, top, width, height } = box.getBoundingClientRect();
    bare.id = 'bare';
    bare.spellcheck = false;
    bare.dir = 'ltr';
    bare.style = `position: fixed; left: ${left}px; top: ${top}px; width: ${width}px; height: ${height}px`;
    document.body.append(bare);
  });
  const bare = await keyCost(page, '#bare');
  await page.locator('#bare').evaluate((box) => box.remove());
  const ours = await keyCost(page, '.composer textarea');
  console.log(`# a key after a paste: ${ours.toFixed(0)} ms, in a bare field ${bare.toFixed(0)} ms`);
  // What the browser would look through at each key; what is left is little, and varies by half with the machine.
  const box = composer(page);
  assert.deepEqual(
    [await box.getAttribute('dir'), await box.evaluate((field) => field.spellcheck)],
    ['ltr', false],
  );
  assert.ok(ours < bare * 2.5, `${ours} ms instead of ${bare} ms`);
  await page.locator('.size.over').waitFor();
  assert.equal((await composer(page).inputValue()).length, pasted.length + KEYS);
});

test('nothing went wrong in any page', () => {
  assert.deepEqual(errors, []);
});
