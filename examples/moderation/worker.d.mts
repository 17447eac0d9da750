declare const judge: { fetch(request: Request, env: Record<string, string>): Promise<Response> };
export default judge;
