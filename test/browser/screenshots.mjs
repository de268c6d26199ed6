// Pictures of every page and state, at the size of a phone, a tablet and a desktop, light, dark and in forced colours, in
// both languages, into out/, with a sheet of all that belong together; the best of them, small, into pictures/ for the
// README. `npm run screenshots`, or with parts of a name (phone-dark, zh-list) to make only those.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bubble, composer, fate, find, launch, open, say, startServer } from './harness.mjs';
import { startLine } from './line.mjs';

const out = fileURLToPath(new URL('out/', import.meta.url));
const pictures = fileURLToPath(new URL('pictures/', import.meta.url));
mkdirSync(out, { recursive: true });
mkdirSync(pictures, { recursive: true });
const wanted = process.argv.slice(2);
/** In the README, by the names they have there. */
const best = new Map([
  ['desktop-light-en-thread', 'desktop-light-thread'],
  ['desktop-dark-en-thread', 'desktop-dark-thread'],
  ['desktop-light-en-group', 'desktop-light-group'],
  ['phone-light-en-list', 'phone-light-list'],
  ['phone-dark-en-thread', 'phone-dark-thread'],
  ['phone-light-en-offline', 'phone-light-offline'],
  ['phone-light-zh-chinese', 'phone-light-chinese'],
]);

const finger = { isMobile: true, hasTouch: true };
const sizes = {
  phone: { viewport: { width: 360, height: 780 }, ...finger },
  tablet: { viewport: { width: 768, height: 1024 }, ...finger },
  desktop: { viewport: { width: 1440, height: 900 } },
};
const looks = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  forced: { colorScheme: 'light', forcedColors: 'active' },
};
const languages = { en: { locale: 'en-GB' }, zh: { locale: 'zh-CN' } };
/** The buttons at the top of the list. */
const settings = '.side-head > button:first-child';
const newConversation = '.side-head > button:last-child';

/** Who wrote what how many minutes ago: 0 is Ana, whose page it is. */
const day = 24 * 60;
const stories = {
  Hana: [[1, 'See you at the station', 6 * day]],
  'Gustavo Peña': [
    [0, 'Did the parcel arrive?', 4 * day + 9],
    [1, 'Yes! Thank you so much 🎁', 4 * day],
  ],
  שרה: [[1, 'שלום, מה שלומך היום?', 2 * day]],
  'Farid Haddad': [
    [1, 'The report is at https://example.org/reports/q3 (page 12).', day + 90],
    [0, 'Reading it now', day + 60],
  ],
  王小明: [
    [1, '你上次说的那家书店，我今天去看了。', day + 300],
    [0, '怎么样？那本绝版的找到了吗？', day + 298],
    [1, '找到了！还顺手淘到两本旧诗集，老板人特别好，聊了半个下午。', day + 296],
    [0, '太棒了 🎉', day + 295],
    [1, '地址发你：https://example.org/shudian', day + 290],
    [0, '收到，周末我也去转转。', day + 288],
    [0, '明天几点见面？', 200],
    [1, '下午三点，老地方。', 190],
    [1, '我带上你要的书 📚', 189],
  ],
  Bruno: [
    [1, 'Are you coming to the climbing hall tonight?', day + 20],
    [0, 'Wouldn’t miss it 💪', day + 14],
    [1, 'Great, I booked two places from 19:00 to 21:00.\nBring chalk, mine is finished.', day + 12],
    [0, '👍', day + 11],
    [1, 'How did the deploy go?', 95],
    [0, 'Smooth. Two commands and it was up:', 92],
    [0, '```\ndocker compose up -d\ncurl -s localhost/readyz\n```', 92],
    [1, 'And if it falls over at night?', 90],
    [
      0,
      'Then `restart: unless-stopped` brings it back. What was stored is delivered, whatever dies on the way.',
      88,
    ],
    [1, '🎉🎉', 86],
    [1, 'I wrote it all down here: https://chat.example.org/notes', 20],
    [0, 'Thank you!', 18],
  ],
};

// One connection for each person, so that a second window replaces the first.
const server = await startServer({ SINGLE_SESSION: '1' });
const line = await startLine(server);
const browser = await launch();
const ana = await server.account('Ana Lima');
const ages = new Map();
const people = {};
for (const [name, messages] of Object.entries(stories)) {
  const person = await server.account(name);
  people[name] = person;
  for (const [who, content, age] of messages) {
    ages.set(content, age);
    const [from, to] = who === 0 ? [ana, person] : [person, ana];
    await server.post('/api/messages', { to_user_id: to.user_id, content }, from.token);
  }
}
const unread = { 王小明: 2 };
// What is old was read; two conversations have something new.
for (const name of ['Hana', 'Gustavo Peña', 'Farid Haddad', 'Bruno', '王小明']) {
  const { data } = await server.get('/api/conversations', ana.token);
  const { conversation_id, last_seq } = data.conversations.find(({ user }) => user.username === name);
  await server.post(
    `/api/conversations/${conversation_id}/read`,
    { seq: last_seq - (unread[name] ?? 0) },
    ana.token,
  );
}
await server.account('Brigitte');
await server.account('Bo');

/** A group of some of them: who said what, and what came of it. */
const { Hana: hana, Bruno: bruno, 'Farid Haddad': farid } = people;
const { data: crew } = await server.post(
  '/api/conversations',
  {
    title: 'Climbing',
    topic: 'Wednesdays at seven, beginners welcome',
    user_ids: [hana, bruno, farid, people.王小明].map(({ user_id }) => user_id),
  },
  ana.token,
);
const inCrew = `/api/conversations/${crew.conversation_id}`;
const tell = async (who, content, beside) => {
  const said = { conversation_id: crew.conversation_id, content, ...beside };
  return (await server.post('/api/messages', said, who.token)).data.seq;
};
const booked = await tell(bruno, 'Hall 2 is ours on Wednesday, from 19:00 to 21:00 🧗');
await tell(hana, 'I’ll be ten minutes late, start without me', { reply_to: booked });
await tell(farid, '@Ana Lima can you bring the long rope?', { mentions: [ana.user_id] });
const rope = await tell(ana, 'It’s in the car already');
await tell(people.王小明, '我带两个朋友来，都是新手');
await server.ask(
  'PATCH',
  `${inCrew}/messages/${booked}`,
  { content: 'Hall 3 is ours on Wednesday, from 19:00 to 21:00 🧗' },
  bruno.token,
);
for (const [who, seq, emoji] of [
  [hana, booked, '🎉'],
  [farid, booked, '🎉'],
  [ana, booked, '👍'],
  [farid, rope, '❤️'],
])
  await server.ask('PUT', `${inCrew}/messages/${seq}/reactions/${encodeURIComponent(emoji)}`, {}, who.token);
await server.post(`${inCrew}/read`, { seq: rope + 1 }, ana.token);

/** The messages were stored a moment ago; on the pictures they are as old as the stories say. */
async function age(context) {
  await context.route('**/api/conversations**', async (route) => {
    const answer = await route.fetch().catch(() => null);
    if (!answer) return route.abort();
    const older = (_key, value) => {
      if (value?.created_at && ages.has(value.content)) {
        value.created_at = new Date(Date.now() - ages.get(value.content) * 60_000).toISOString();
      }
      return value;
    };
    return route.fulfill({ response: answer, body: JSON.stringify(JSON.parse(await answer.text(), older)) });
  });
}

async function shoot(page, name) {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const png = await page.screenshot({ path: `${out}${name}.png` });
  console.log(`${name} ${(png.length / 1024).toFixed(0)} KB`);
  sheet.push({ name, png });
  if (!best.has(name)) return;
  // The browser makes the small one: it knows WebP.
  const tool = await browser.newPage();
  const webp = await tool.evaluate(
    async (data) => {
      const bitmap = await createImageBitmap(await (await fetch(data)).blob());
      const canvas = document.createElement('canvas');
      Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
      canvas.getContext('2d').drawImage(bitmap, 0, 0);
      return canvas.toDataURL('image/webp', 0.9);
    },
    `data:image/png;base64,${png.toString('base64')}`,
  );
  await tool.close();
  writeFileSync(`${pictures}${best.get(name)}.webp`, Buffer.from(webp.split(',')[1], 'base64'));
}

let sheet = [];

/** All pictures of one size, look and language side by side, to be looked at together. */
async function hang(name) {
  const pictures = sheet;
  sheet = [];
  if (pictures.length < 2) return;
  const tool = await browser.newPage({ viewport: { width: 1800, height: 900 } });
  await tool.setContent('<body style="margin:8px;display:flex;flex-wrap:wrap;gap:8px;font:14px sans-serif">');
  for (const { name: title, png } of pictures) {
    await tool.evaluate(
      async ([text, data]) => {
        const figure = document.createElement('figure');
        figure.style.margin = '0';
        const image = new Image();
        image.src = `data:image/png;base64,${data}`;
        image.style.cssText = 'height:520px;display:block';
        figure.append(text, image);
        document.body.append(figure);
        await image.decode();
      },
      [title, png.toString('base64')],
    );
  }
  await tool.screenshot({ path: `${out}sheet-${name}.png`, fullPage: true });
  await tool.close();
}

async function member(account, options, origin = server.origin) {
  const opened = await open(browser, 'about:blank', options);
  await age(opened.context);
  // Signed in already: of the hundreds of pictures few are of that.
  await opened.context.addInitScript(
    (session) => {
      if (location.protocol === 'http:' && !localStorage.getItem('chat.session'))
        localStorage.setItem('chat.session', session);
    },
    JSON.stringify({ user_id: account.user_id, username: account.username }),
  );
  await opened.context.addCookies([{ ...account.cookie, url: origin }]);
  await opened.page.goto(origin);
  await opened.page.locator('#search').waitFor({ state: 'attached' });
  return opened;
}

const scenes = {
  async signin(options, name) {
    const { page, context } = await open(browser, server.origin, options);
    await shoot(page, name);
    await context.close();
  },
  async signup(options, name) {
    const { page, context } = await open(browser, server.origin, options);
    await page.locator('.switch button').click();
    await page.locator('#username').fill('Ana Lima');
    await page.locator('#password').fill('something');
    await page.locator('button.primary').click();
    await page.locator('#username-note.wrong').waitFor();
    await shoot(page, name);
    await context.close();
  },
  async empty(options, name) {
    const { page, context } = await member(await server.account(`Newcomer ${name}`), options);
    await page.locator('.nothing').waitFor();
    await shoot(page, name);
    await context.close();
  },
  async list(options, name) {
    const { page, context } = await member(ana, options);
    await page.locator('a.conversation', { hasText: 'Bruno' }).waitFor();
    await shoot(page, name);
    await context.close();
  },
  async search(options, name) {
    const { page, context } = await member(ana, options);
    await page.locator('#search').fill('B');
    await page.getByText('Brigitte').waitFor();
    await shoot(page, name);
    await context.close();
  },
  async thread(options, name) {
    const bruno = await member(people.Bruno, { ...options, ...sizes.desktop });
    const { page, context } = await member(ana, options);
    await bruno.page.locator('a.conversation', { hasText: 'Ana Lima' }).click();
    await page.locator('a.conversation', { hasText: 'Bruno' }).click();
    await fate(page, 'Thank you!', 'read');
    await page.locator('.thread-head .on').waitFor();
    await composer(bruno.page).pressSequentially('See');
    await page.locator('.thread-head .typing').waitFor();
    if (options.isMobile) await composer(page).evaluate((box) => box.blur());
    await shoot(page, name);
    await composer(bruno.page).fill('');
    await bruno.page.locator('.composer textarea').blur();
    await bruno.context.close();
    await context.close();
  },
  async group(options, name) {
    const { page, context } = await member(ana, options);
    await page.locator('a.conversation', { hasText: 'Climbing' }).click();
    await bubble(page, '我带两个朋友来').waitFor();
    await page.locator('.row', { hasText: 'Hall 3' }).first().getByText('🎉').waitFor();
    if (options.isMobile) await composer(page).evaluate((box) => box.blur());
    await shoot(page, name);
    await context.close();
  },
  async unread(options, name) {
    const eva = await server.account(`Eva ${name}`);
    await server.post('/api/messages', { to_user_id: hana.user_id, content: 'I am on the train' }, eva.token);
    for (let i = 0; i < 14; i++) {
      await server.post(
        '/api/messages',
        { to_user_id: eva.user_id, content: `Platform ${i + 1}, is that you?` },
        hana.token,
      );
    }
    const { page, context } = await member(eva, options);
    await page.evaluate(() => {
      document.hasFocus = () => false;
      dispatchEvent(new Event('blur'));
    });
    await page.locator('a.conversation', { hasText: 'Hana' }).click();
    await page.locator('.divider').waitFor();
    await shoot(page, name);
    await context.close();
  },
  async rtl(options, name) {
    const noa = await server.account(`Noa ${name}`);
    const content = 'שלום, מה שלומך היום?';
    await server.post('/api/messages', { to_user_id: noa.user_id, content }, people.שרה.token);
    const { page, context } = await member(noa, options);
    await page.locator('a.conversation', { hasText: 'שרה' }).click();
    await say(page, 'תודה, הכול בסדר!\nראי https://example.org/a');
    await fate(page, 'תודה', 'sent');
    await shoot(page, name);
    await context.close();
  },
  async nobody(options, name) {
    const { page, context } = await member(ana, options);
    await page.goto(`${server.origin}/#/u/99999`);
    await page.locator('.composer').waitFor({ state: 'detached' });
    await shoot(page, name);
    await context.close();
  },
  async failed(options, name) {
    const { page, context } = await member(ana, options);
    // As long as the page can't know that nobody is there.
    await page.route('**/api/users/99999', (route) => route.abort());
    await page.goto(`${server.origin}/#/u/99999`);
    await say(page, 'Is anybody there?');
    await page.locator('.failure').waitFor();
    await shoot(page, name);
    await context.close();
  },
  async long(options, name) {
    const { page, context } = await member(ana, options);
    await find(page, 'Bruno');
    await composer(page).fill('All work and no play makes Jack a dull boy. '.repeat(380));
    await page.locator('.size.over').waitFor();
    await shoot(page, name);
    await composer(page).fill('');
    await context.close();
  },
  async offline(options, name) {
    line.mend();
    const { page, context } = await member(ana, options, line.origin);
    await page.locator('a.conversation', { hasText: 'Bruno' }).click();
    await bubble(page, 'Thank you!').waitFor();
    line.cut();
    await page.locator('.banner.warn').waitFor();
    await say(page, 'On the train, no signal');
    await say(page, 'This one waits with the other');
    await fate(page, 'This one waits', 'waiting');
    await shoot(page, name);
    await context.close();
    line.mend();
  },
  async replaced(options, name) {
    const { page, context } = await member(ana, options);
    await page.locator('a.conversation', { hasText: 'Bruno' }).click();
    const second = await context.newPage();
    await second.goto(server.origin);
    await page.locator('dialog').waitFor();
    await shoot(page, name);
    await context.close();
  },
  async settings(options, name) {
    const { page, context } = await member(ana, options);
    await page.locator(settings).click();
    await shoot(page, name);
    await context.close();
  },
  async people(options, name) {
    const { page, context } = await member(ana, options);
    await page.locator(newConversation).click();
    await page.locator('dialog a.conversation', { hasText: 'Bruno' }).waitFor();
    await shoot(page, name);
    await context.close();
  },
  async profile(options, name) {
    const { page, context } = await member(ana, options);
    await page.locator('a.conversation', { hasText: 'Bruno' }).click();
    await page.locator('.who button').click();
    await page.locator('dialog dd').nth(1).waitFor();
    await shoot(page, name);
    await context.close();
  },
  async menu(options, name) {
    const { page, context } = await member(ana, options);
    await page.locator('a.conversation', { hasText: 'Bruno' }).click();
    await bubble(page, 'Thank you!').locator('.more').focus();
    await page.keyboard.press('Enter');
    await page.locator('dialog.menu').waitFor();
    await shoot(page, name);
    await context.close();
  },
  async shortcuts(options, name) {
    const { page, context } = await member(ana, options);
    await page.keyboard.press('Control+/');
    await page.locator('dialog .keys').waitFor();
    await shoot(page, name);
    await context.close();
  },
  async expired(options, name) {
    const { page, context } = await member(ana, options);
    await context.clearCookies();
    await page.reload();
    await page.locator('.auth #username').waitFor();
    await shoot(page, name);
    await context.close();
  },
  async chinese(options, name) {
    const { page, context } = await member(ana, options);
    await page.locator('a.conversation', { hasText: '我带上你要的书' }).click();
    await bubble(page, '我带上你要的书').waitFor();
    await shoot(page, name);
    await context.close();
  },
};

try {
  for (const [size, shape] of Object.entries(sizes)) {
    for (const [look, colours] of Object.entries(looks)) {
      for (const [language, words] of Object.entries(languages)) {
        for (const [scene, take] of Object.entries(scenes)) {
          const name = `${size}-${look}-${language}-${scene}`;
          if (!wanted.every((part) => name.includes(part))) continue;
          await take({ ...shape, ...colours, ...words, timezoneId: 'America/Los_Angeles' }, name);
        }
        await hang(`${size}-${look}-${language}`);
      }
    }
  }
} finally {
  await browser.close();
  line.end();
  await server.end();
}
