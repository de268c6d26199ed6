/** For the browser's own list of passwords: a form of passwords alone doesn't say whose they are. */
export function WhosePassword({ username }: { username: string }) {
  return (
    <input
      class="vh"
      type="text"
      autocomplete="username"
      value={username}
      readOnly
      tabIndex={-1}
      aria-hidden
    />
  );
}
