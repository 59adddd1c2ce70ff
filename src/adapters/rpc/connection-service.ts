import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { optionalText, pageTokenOf } from '../../application/field-checks.ts';
import type { ConnectionName } from '../../application/get-connection.ts';
import type { Connection } from '../../domain/connection/connection.ts';
import type { ConnectionId, WorkspaceId } from '../../domain/ids.ts';
import { callersWorkspaces } from './admission.ts';
import {
  API_FAMILY_OF,
  CONNECTION_STATE_OF,
  capabilitiesMessage,
  connectionEventMessage,
  connectionMessage,
} from './connection-messages.ts';
import {
  type ConnectionService,
  type WatchConnectionsRequest,
  WatchConnectionsRequestSchema,
} from './gen/glowtify/tiktok/v1/connection_service_pb.js';
import { checkIds, checkName, checkText, ID_LIMIT, readEnum, readEnums } from './request-fields.ts';
import type { RpcNeeds } from './rpc-needs.ts';
import { refusals } from './to-connect-error.ts';
import { watching } from './watching.ts';

export function connectionService(needs: RpcNeeds): ServiceImpl<typeof ConnectionService> {
  const { useCases, clock } = needs;

  const { accept, refuse } = refusals(clock);
  const message = (connection: Connection) => connectionMessage(connection, needs);

  function named({ connectionId, workspaceId }: { connectionId: string; workspaceId: string }): ConnectionName {
    refuse(checkName('connection_id', connectionId, workspaceId));
    return {
      connectionId: connectionId as ConnectionId,
      ...(workspaceId === '' ? {} : { workspaceId: workspaceId as WorkspaceId }),
    };
  }

  return {
    async startConnection({ workspaceId, returnUri, reconnectConnectionId, ...request }) {
      const apiFamily = readEnum('api_family', request.apiFamily, API_FAMILY_OF);
      refuse([...apiFamily.findings, ...optionalText('reconnect_connection_id', reconnectConnectionId, ID_LIMIT)]);
      const begun = accept(
        await useCases.startConnection({
          workspaceId: workspaceId as WorkspaceId,
          ...(apiFamily.value === undefined ? {} : { apiFamily: apiFamily.value }),
          ...(returnUri === '' ? {} : { returnUri }),
          ...(reconnectConnectionId === '' ? {} : { reconnects: reconnectConnectionId as ConnectionId }),
        }),
      );
      return { ...begun, expireTime: timestampFromDate(begun.expireTime) };
    },

    async completeConnection({ state, code }, { values }) {
      const workspaces = values.get(callersWorkspaces);
      const { connection } = accept(await useCases.completeConnection({ state, answer: { code }, workspaces }));
      return { connection: message(connection) };
    },

    async getConnection(request) {
      return { connection: message(accept(await useCases.getConnection(named(request)))) };
    },

    async listConnections({ workspaceId, pageSize, pageToken: token, ...request }) {
      const states = readEnums('states', request.states, CONNECTION_STATE_OF);
      refuse(states.findings);
      const page = accept(
        await useCases.listConnections({
          workspaceId: workspaceId as WorkspaceId,
          states: states.value,
          pageSize,
          pageToken: token,
        }),
      );
      return {
        connections: page.items.map(message),
        nextPageToken: pageTokenOf(workspaceId as WorkspaceId, page.next),
      };
    },

    async refreshConnection(request) {
      return { connection: message(accept(await useCases.refreshConnection(named(request)))) };
    },

    async disconnectConnection(request) {
      const ended = accept(await useCases.disconnectConnection(named(request)));
      return { connection: message(ended.connection), cancelledPostCount: ended.cancelledPostCount };
    },

    async getPublishingCapabilities(request) {
      return capabilitiesMessage(accept(await useCases.getPublishingCapabilities(named(request))));
    },

    async *watchConnections(request: WatchConnectionsRequest, context: HandlerContext) {
      const { resumeToken } = request;
      refuse([
        ...checkText(WatchConnectionsRequestSchema, request),
        ...checkIds('connection_ids', request.connectionIds),
        ...optionalText('resume_token', resumeToken, 1000),
      ]);
      const filter = {
        workspaceId: request.workspaceId as WorkspaceId,
        connectionIds: request.connectionIds as ConnectionId[],
      };
      yield* watching(
        'WatchConnections',
        context,
        needs,
        async (signal) => accept(await useCases.watchConnections({ filter, resumeToken, signal })),
        (event) => connectionEventMessage(event, needs),
      );
    },
  };
}
