/** Many who say much, beside one who says little. */
import t from 'tap';
import { build, connect, signUp } from '../helper.js';
import { rawFrame } from '../raw.js';

const CROWD = 20;
const EACH = 500;

const server = await build(t);

for (const extended of [true, false])
  t.test(
    `${extended ? 'an extended' : 'a plain'} client is answered before all that others say at once`,
    async (t) => {
      const frame = extended ? '{"type":"ping"}' : '{"type":"get_online_list"}';
      const answer = extended ? 'pong' : 'online_list';
      const open = async () => connect(t, server, await signUp(server), { extended });
      const polite = await open();
      const crowd = await Promise.all(Array.from({ length: CROWD }, open));
      const frames = Buffer.concat(Array.from({ length: EACH }, () => rawFrame(1, frame)));
      for (const { socket } of crowd) Reflect.get(socket, '_socket').write(frames);
      polite.socket.send(frame);
      await polite.next(answer);
      const answered = () => crowd.reduce((sum, client) => sum + client.of(answer).length, 0);
      t.ok(
        answered() < (CROWD * EACH) / 4,
        `${answered()} of the others' ${CROWD * EACH} are answered before`,
      );
      for (const client of crowd)
        await client.until(() => client.of(answer).length === EACH, 'not all are answered');
    },
  );
