"""The GraphQL operations of VISA's admin API that we use, as they ran on VISA 3.8.2.

``openStackProviderConfiguration`` is never selected: it holds the secret.
"""

from __future__ import annotations

from typing import Final

OBJECTS: Final = """query {
  cloudClients { id name serverNamePrefix visible }
  images { id name version description icon cloudId computeId visible protocols { id } defaultVdiProtocol { id }
    secondaryVdiProtocol { id } bootCommand autologin autoAcceptExtensionRequest }
  flavours { id name memory cpu cloudId computeId roleLifetimes { lifetimeMinutes role { id } } }
  flavourLimits { objectId objectType flavour { id } }
  plans { id preset image { id } flavour { id } }
  securityGroups { id name cloudId }
  securityGroupFilters { objectId objectType securityGroup { id } }
  systemNotifications { id message type }
}"""

LIMITS: Final = "query { cloudLimits { cloudClient { id } cloudLimit { maxTotalInstances } } }"

CLOUD_IMAGES: Final = "query ($cloud: Int!) { cloudImages(cloudId: $cloud) { id } }"

BOOKINGS: Final = "query { bookingRequests { id state endDate flavours { flavour { cloudId } } } }"

# The filter must be sent, even empty; a page is 1 to 50.
INSTANCES: Final = """query ($limit: Int!, $offset: Int!, $ascending: Boolean!) {
  instances(filter: {}, pagination: { limit: $limit, offset: $offset },
            orderBy: { name: "id", ascending: $ascending }) {
    pageInfo { hasNextPage }
    data { id name state comments cloudId computeId createdAt terminationDate lastSeenAt username
      owner { fullName activeUserRoles { role { name } } }
      plan { image { autoAcceptExtensionRequest } flavour { name } } bookingToken { uid } }
  }
}"""

EXTENSIONS: Final = "query { instanceExtensionRequests { state instance { id } } }"

CREATE_CLIENT: Final = "mutation ($input: CloudClientInput!) { createCloudClient(input: $input) { id } }"
UPDATE_CLIENT: Final = (
    "mutation ($id: Int!, $input: CloudClientInput!) { updateCloudClient(id: $id, input: $input) { id visible } }"
)
CREATE_IMAGE: Final = "mutation ($input: ImageInput!) { createImage(input: $input) { id cloudId } }"
UPDATE_IMAGE: Final = "mutation ($id: Int!, $input: ImageInput!) { updateImage(id: $id, input: $input) { id cloudId } }"
CREATE_FLAVOUR: Final = "mutation ($input: FlavourInput!) { createFlavour(input: $input) { id cloudId } }"
UPDATE_FLAVOUR: Final = (
    "mutation ($id: Int!, $input: FlavourInput!) { updateFlavour(id: $id, input: $input) { id cloudId } }"
)
CREATE_PLAN: Final = "mutation ($input: PlanInput!) { createPlan(input: $input) { id } }"
UPDATE_PLAN: Final = "mutation ($id: Int!, $input: PlanInput!) { updatePlan(id: $id, input: $input) { id preset } }"
DELETE_PLAN: Final = "mutation ($id: Int!) { deletePlan(id: $id) { id } }"
CREATE_GROUP: Final = "mutation ($input: SecurityGroupInput!) { createSecurityGroup(input: $input) { id cloudId } }"
CREATE_FILTER: Final = (
    "mutation ($input: SecurityGroupFilterInput!) { createSecurityGroupFilter(input: $input) { id } }"
)
CREATE_NOTIFICATION: Final = (
    "mutation ($input: SystemNotificationInput!) { createSystemNotification(input: $input) { id } }"
)
DELETE_NOTIFICATION: Final = "mutation ($id: Int!) { deleteSystemNotification(id: $id) { id } }"
DELETE_INSTANCE: Final = "mutation ($id: Int!) { deleteInstance(id: $id) { message } }"
