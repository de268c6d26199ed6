/** Where a server of `REDIS_ADDR` is, for people: no user, no password. */
export function redisPlace(node: string): string {
  if (!node.includes('://')) return node;
  const { protocol, host, pathname } = new URL(node);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}
