/** Which fields of a JSON Schema are whole numbers: table columns take their type from this. */
interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  anyOf?: readonly Schema[];
  oneOf?: readonly Schema[];
}

/** Dotted names of the fields that are whole numbers in every form of the schema. */
export function wholeNumberFields(schema: unknown): Set<string> {
  const types = new Map<string, Set<string>>();
  const visit = (at: Schema, path: string) => {
    for (const option of [...(at.anyOf ?? []), ...(at.oneOf ?? [])]) visit(option, path);
    for (const [key, inner] of Object.entries(at.properties ?? {})) visit(inner, path ? `${path}.${key}` : key);
    if (at.type && path) types.set(path, (types.get(path) ?? new Set()).add(at.type));
  };
  visit(schema as Schema, '');
  return new Set([...types].flatMap(([path, found]) => (found.size === 1 && found.has('integer') ? [path] : [])));
}
