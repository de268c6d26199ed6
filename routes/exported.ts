import type { Conversation } from '../schemas/conversation.js';
import type { Message } from '../schemas/message.js';

/** Messages, and the names of who wrote them. */
interface Page {
  messages: readonly Message[];
  names: ReadonlyMap<number, string>;
}

/** How a conversation is written into a file. */
export interface Format {
  type: string;
  begin(conversation: Conversation, words: Words): string;
  message(message: Message, name: string, words: Words, first: boolean): string;
  end: string;
}

type Words = (typeof WORDS)['en'];
const WORDS = {
  en: { lang: 'en', deleted: 'deleted', edited: 'edited', reply: 'reply' },
  zh: { lang: 'zh', deleted: '已删除', edited: '已编辑', reply: '回复' },
};

const titleOf = ({ group, user }: Conversation): string => group?.title ?? user?.username ?? '';

const escaped = (text: string): string => text.replaceAll(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** What a socket and HTTP give, one after the other. */
export const JSON_TEXT: Format = {
  type: 'application/json; charset=utf-8',
  begin: ({ last_message: _last, unread: _unread, ...conversation }) =>
    `{"exported_at":"${new Date().toISOString()}","conversation":${JSON.stringify(conversation)},"messages":[`,
  message: (message, name, _words, first) =>
    `${first ? '\n' : ',\n'}${JSON.stringify({ ...message, from_username: name })}`,
  end: '\n]}\n',
};

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:45em;margin:2em auto;padding:0 1em;color-scheme:light dark}' +
  'article{margin:1em 0}header{font-size:.85em;opacity:.8}p{margin:.2em 0;white-space:pre-wrap;overflow-wrap:anywhere}';

/** A page that can be read anywhere, and asks nobody for anything. */
export const HTML: Format = {
  type: 'text/html; charset=utf-8',
  begin: (conversation, { lang }) => {
    const title = escaped(titleOf(conversation));
    const topic = conversation.group?.topic ? `<p>${escaped(conversation.group.topic)}</p>\n` : '';
    return `<!doctype html><html lang="${lang}"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${STYLE}</style><h1>${title}</h1>\n${topic}`;
  },
  message: ({ seq, created_at, content, event, deleted, edited_at, reactions = [] }, name, words) => {
    const time = `<time datetime="${created_at}">${created_at.slice(0, 16).replace('T', ' ')}</time>`;
    const note = edited_at === undefined ? '' : ` (${words.edited})`;
    const said = event === undefined ? escaped(content) : `<em>${escaped(eventText(event))}</em>`;
    const marks = reactions.map(({ emoji, count }) => `${escaped(emoji)} ${count}`).join(' · ');
    return `<article id="m${seq}"><header><b>${escaped(name)}</b> ${time}${note}</header><p>${
      deleted ? `<em>${words.deleted}</em>` : said
    }</p>${marks === '' ? '' : `<footer>${marks}</footer>`}</article>\n`;
  },
  end: '</html>\n',
};

const eventText = ({ action, title, topic, user_ids = [] }: NonNullable<Message['event']>): string =>
  [action, ...user_ids.map((id) => `#${id}`), title, topic].filter((part) => part !== undefined).join(' ');

/** The text of a file, piece by piece. */
export async function* exported(
  format: Format,
  language: keyof typeof WORDS,
  conversation: Conversation,
  pages: AsyncIterable<Page>,
): AsyncGenerator<string> {
  const words = WORDS[language];
  let first = true;
  yield format.begin(conversation, words);
  for await (const { messages, names } of pages) {
    let text = '';
    for (const message of messages) {
      text += format.message(
        message,
        names.get(message.from_user_id) ?? `#${message.from_user_id}`,
        words,
        first,
      );
      first = false;
    }
    yield text;
  }
  yield format.end;
}
