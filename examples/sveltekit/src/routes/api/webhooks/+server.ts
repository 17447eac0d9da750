// POST /api/webhooks of a SvelteKit app: is told when a picture is there, also where nobody waits for it.

import { verifyWebhook, WebhookVerificationError } from 'picture-queue/webhooks';
import { WEBHOOK_SECRET } from '$app/env/private';

export async function POST({ request }: { request: Request }): Promise<Response> {
  try {
    const { type, data } = await verifyWebhook(request, WEBHOOK_SECRET);
    // Here your app keeps it. The same event may come again, with the same `webhook-id`.
    console.log(type, data.id, data.images[0]?.url);
    return new Response(null, { status: 204 });
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    return new Response(error.message, { status: 401 });
  }
}
