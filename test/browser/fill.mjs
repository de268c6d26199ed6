/**
 * Fills a thread through the sockets of both, as fast as the server takes it. A page does the sending, since a browser
 * speaks WebSocket and our Node may not.
 */
export async function fill(browser, server, one, two, count) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${server.origin}/manifest.webmanifest`);
  await page.evaluate(
    async ({ one, two, count }) => {
      const words =
        'the quick brown fox jumps over a lazy dog while nobody looks and everything stays in order'.split(
          ' ',
        );
      const half = (me, to, part) =>
        new Promise((resolve, reject) => {
          const address = `${location.origin.replace('http', 'ws')}/ws`;
          const socket = new WebSocket(address, ['chat.v2', `bearer.${me.token}`]);
          const open = new Set();
          let next = part;
          let acked = 0;
          const pump = () => {
            while (open.size < 400 && next < count) {
              const id = `fill-${next}`;
              const length = next % 13 === 0 ? 60 : 2 + (next % 11);
              const text = Array.from({ length }, (_, i) => words[(next + i) % words.length]).join(' ');
              socket.send(
                JSON.stringify({ type: 'chat', id, to_user_id: to.user_id, content: `${next + 1}: ${text}` }),
              );
              open.add(id);
              next += 2;
            }
            if (open.size === 0) {
              socket.onclose = null;
              socket.close();
              resolve();
            }
          };
          socket.onmessage = ({ data }) => {
            const frame = JSON.parse(data);
            if (frame.type === 'welcome') socket.send(JSON.stringify({ type: 'sync', positions: [] }));
            else if (frame.type === 'synced') pump();
            else if (frame.type === 'error' && !frame.retryable) reject(new Error(frame.content));
            else if (frame.type === 'error') {
              const n = Number(frame.id?.slice(5));
              setTimeout(() => {
                socket.send(
                  JSON.stringify({
                    type: 'chat',
                    id: frame.id,
                    to_user_id: to.user_id,
                    content: `${n + 1}: again`,
                  }),
                );
              }, 50);
            } else if (frame.type === 'sent') {
              open.delete(frame.id);
              pump();
            }
            if (frame.seq > acked + 200) {
              acked = frame.seq;
              if (frame.type === 'chat') {
                socket.send(
                  JSON.stringify({ type: 'ack', conversation_id: frame.conversation_id, seq: acked }),
                );
              }
            }
          };
          socket.onclose = ({ code }) => reject(new Error(`closed with ${code}`));
        });
      // One after the other: the second then has nothing of its own to catch up with while it sends.
      await half(one, two, 0);
      await half(two, one, 1);
    },
    { one, two, count },
  );
  await context.close();
}
