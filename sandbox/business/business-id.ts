/**
 * The open_id of an account for the Business app. TikTok gives each app another one; here it differs in its first character, so
 * that an id of one family is never taken by the other.
 */
export const businessIdOf = (openId: string): string => `_${openId.slice(1)}`;

export const openIdOf = (businessId: string): string => `-${businessId.slice(1)}`;
