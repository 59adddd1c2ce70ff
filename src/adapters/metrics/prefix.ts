/** Before every name of this service's own. */
export const PREFIX = 'tiktok_connector_';
