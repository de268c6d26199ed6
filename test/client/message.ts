/** Whose page it is, who writes to them, and what is said between the two. */
export const me = 1;
export const user = { user_id: 2, username: 'Ben' };
export const created_at = '2026-01-02T03:04:05.000Z';
export const message = (seq: number, from = 2) => ({
  conversation_id: 9,
  msg_id: 100 + seq,
  seq,
  from_user_id: from,
  to_user_id: from === me ? 2 : me,
  content: `${seq}`,
  created_at,
});
