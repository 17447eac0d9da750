import type postgres from 'postgres';

type Settings = Record<string, string>;

/** `name=value`, as the catalog keeps it. */
export const toSettings = (texts: string[]): [name: string, value: string][] =>
  texts.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]);

/**
 * What `ALTER ROLE … SET` says of the roles that a request can have. Postgres applies it to a login, not to SET ROLE:
 * PostgREST reads it and sets it for each transaction.
 * https://docs.postgrest.org/en/stable/references/transactions.html#impersonated-role-settings
 */
export class RoleSettings {
  readonly #byRole: Map<string, Settings>;
  /** Of `authenticator` itself: what its connections have anyway. */
  readonly #session: Settings;

  private constructor(byRole: Map<string, Settings>, session: Settings) {
    this.#byRole = byRole;
    this.#session = session;
  }

  /** @param sql connections as `authenticator` */
  static async load(sql: postgres.Sql): Promise<RoleSettings> {
    const rows = await sql<{ role: string; own: boolean; settings: string[] }[]>`
      select r.rolname as role, r.rolname = current_user as own,
        (select coalesce(json_agg(own.text), '[]')
          from unnest(r.rolconfig) as own (text)
            join pg_settings s on s.name = split_part(own.text, '=', 1)
          where s.context = 'user' or has_parameter_privilege(current_user, s.name, 'set')) as settings
      from pg_roles r
      where r.rolname = current_user or r.oid in
        (select roleid from pg_auth_members where member = current_user::regrole)`;
    const all = rows.map(({ role, own, settings }) => ({
      role,
      own,
      settings: Object.fromEntries(toSettings(settings).filter(([name]) => name !== 'search_path')),
    }));
    const session = all.find(({ own }) => own)?.settings ?? {};
    return new RoleSettings(new Map(all.map(({ role, settings }) => [role, settings])), session);
  }

  /** To be set for a request of a role. */
  of(role: string): Settings {
    return this.#byRole.get(role) ?? {};
  }

  /** The same, for a connection of another role than `authenticator`. */
  withSession(role: string): Settings {
    return { ...this.#session, ...this.of(role) };
  }
}
