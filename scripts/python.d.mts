export function ensurePythonPackage(
  name: string,
  version: string,
): Promise<{ PYTHONPATH: string } | undefined>;
