-- Empties who somebody was, ends their sessions and closes their conversations, which stay to be read by the others. The row stays,
-- so that their number is nobody else's. Each statement sees what was committed when it began: once the user's row is changed,
-- append_2 makes no further conversation, so that all of them are closed.
create function delete_user_1(
  target bigint, actor bigint, texts boolean,
  out outcome text -- null: done; else the stable name of an error
) language plpgsql as $$
begin
  perform from users where is_admin and suspended_at is null order by user_id for update;
  if (select is_admin and suspended_at is null from users where user_id = target)
    and not exists (select from users where is_admin and suspended_at is null and user_id <> target) then
    outcome := 'last_admin';
    return;
  end if;
  update users set username = 'deleted user #' || target, password = '', name_key = '', legacy = true,
    skeleton = '', lookalike = true, words_known = true, is_admin = false, created_at = null, plain_at = null,
    factor_secret = null, factor_step = null, suspended_at = now(), tokens_from = now(), deleted_at = now(), erase = 1 + texts::int
  where user_id = target and deleted_at is null;
  if not found then
    -- Who is gone already may have left texts.
    update users set erase = 1 + texts::int where user_id = target and texts;
    if not found then
      outcome := 'user_not_found';
      return;
    end if;
  end if;
  delete from name_words where user_id = target;
  delete from friends where user_id = target or friend_id = target;
  delete from resets where user_id = target;
  delete from recovery_codes where user_id = target;
  delete from sessions where user_id = target;
  delete from presence where user_id = target;
  delete from plain_gaps where user_id = target;
  update invites set revoked_at = now() where made_by = target and revoked_at is null;
  perform from conversations where (user_a = target or user_b = target) and not closed order by conversation_id for update;
  update conversations set closed = true, a_blocks = false, b_blocks = false
  where (user_a = target or user_b = target) and not closed;
  update members set last_seq = coalesce((select seq from messages m where m.conversation_id = members.conversation_id
    order by seq desc limit 1), 0)
  where user_id = target and last_seq is null and exists (
    select from conversations c where c.conversation_id = members.conversation_id and c.user_a is null);
  insert into rings (user_id) values (target);
  insert into audit (actor_id, action, user_id) values (actor, case when texts then 'delete_with_messages' else 'delete' end, target);
end $$;
