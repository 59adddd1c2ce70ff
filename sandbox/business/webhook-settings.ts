import type { Endpoint } from '../endpoint.ts';
import { Refused } from '../input.ts';
import { webhookUrl } from '../webhook-url.ts';
import type { World } from '../world.ts';
import { type Checked, invalid, valid } from './answers.ts';
import { appEndpoint, checkApp, type Outcome, type Parameters, requiredText } from './endpoints.ts';
import { type WebhookType, webhookTypes } from './vocabulary.ts';

const credentials = ['app_id', 'secret'] as const;

/** Where the app hears of what: one address for each type of event. */
export function webhookSettings(world: World): Endpoint[] {
  function readType(parameters: Parameters): Checked<WebhookType> {
    const text = requiredText(parameters, 'event_type');
    if (!text.ok) return text;
    const type = webhookTypes.find((known) => known === text.value);
    return type === undefined ? invalid('event_type', `One of ${webhookTypes.join(', ')}.`) : valid(type);
  }

  const subscription = (type: WebhookType): Outcome => {
    const { callbackUrls, appId } = world.state.business;
    const url = callbackUrls[type];
    return { ok: true, data: { app_id: appId, event_type: type, ...(url === undefined ? {} : { callback_url: url }) } };
  };

  const forType = (
    action: 'update' | 'list' | 'delete',
    method: 'GET' | 'POST',
    act: (type: WebhookType, parameters: Parameters) => Outcome,
  ) =>
    appEndpoint(world, {
      name: `business_webhook_${action}`,
      method,
      path: `/business/webhook/${action}/`,
      handle(parameters) {
        const wrong = checkApp(world, parameters, credentials);
        if (wrong) return wrong;
        const type = readType(parameters);
        return type.ok ? act(type.value, parameters) : type;
      },
    });

  return [
    forType('update', 'POST', (type, parameters) => {
      const url = requiredText(parameters, 'callback_url');
      if (!url.ok) return url;
      try {
        world.state.business.callbackUrls[type] = webhookUrl(url.value, 'callback_url');
      } catch (error) {
        if (error instanceof Refused) return invalid('callback_url', error.message);
        throw error;
      }
      world.changed();
      return subscription(type);
    }),
    forType('list', 'GET', subscription),
    forType('delete', 'POST', (type) => {
      const before = subscription(type);
      delete world.state.business.callbackUrls[type];
      world.changed();
      return before;
    }),
  ];
}
