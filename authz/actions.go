package authz

// Actions of the v2 permission table, each under the domain it is checked in.

// accountActions are checked in the domain of an account.
var accountActions = []string{
	"addAction", "addCorrection", "createApiKey", "createApplication", "createArchiveTransitionRule",
	"createArchivedImageAnalysis", "createArtifactRelationship", "createImage",
	"createNotificationEndpointConfiguration", "createPolicy", "createRegistry", "createRepository", "createRoleMember",
	"createSubscription", "createUser", "createVulnAnnotation", "deleteApiKey", "deleteApplication",
	"deleteArchiveTransitionRule", "deleteArchivedImageAnalysis", "deleteArtifactRelationships", "deleteCorrection",
	"deleteEvents", "deleteImage", "deleteIntegration", "deleteInventory", "deleteKubernetesNamespaces",
	"deleteNotificationEndpointConfiguration", "deletePolicy", "deleteRegistry", "deleteRoleMember", "deleteSource",
	"deleteSubscription", "deleteUser", "deleteVulnAnnotation", "getAccount", "getActions", "getAlert", "getApiKey",
	"getApplication", "getArchiveTransitionRule", "getArchivedImageAnalysis", "getArtifactRelationship",
	"getArtifactRelationshipDiff", "getCorrection", "getECSContainers", "getECSServices", "getECSTasks", "getEvent",
	"getImage", "getImageEvaluation", "getIntegration", "getKubernetesContainers", "getKubernetesNamespaces",
	"getKubernetesNodes", "getKubernetesPods", "getNotificationEndpointConfiguration", "getPolicy", "getRegistry",
	"getRole", "getSource", "getSourceEvaluation", "getSubscription", "getUser", "getVulnAnnotation", "importImage",
	"importSource", "listAccountUsersWithRoles", "listAlerts", "listApiKeys", "listArchiveTransitionRules",
	"listArchivedImageAnalysis", "listArchives", "listArtifactRelationships", "listEvents", "listImages",
	"listIntegrations", "listNotificationEndpointConfigurations", "listNotificationEndpoints", "listPolicies",
	"listRegistries", "listRoleMembers", "listRoles", "listRuntimeInventories", "listSources", "listSubscriptions",
	"listUsers", "listVulnAnnotations", "registerIntegration", "reportHealth", "syncInventory", "updateAccount",
	"updateAlert", "updateApiKey", "updateApplication", "updateCorrection", "updateNotificationEndpointConfiguration",
	"updatePolicy", "updateRegistry", "updateSubscription", "updateUser", "updateVulnAnnotation", "viewReports",
}

// systemActions are checked in the system domain.
var systemActions = []string{
	"addUserGroupRole", "addUserGroupUser", "createAccount", "createArtifactLifecyclePolicy", "createUserGroup",
	"deleteAccount", "deleteArtifactLifecyclePolicy", "deleteService", "deleteUserGroup", "deleteUserGroupRole",
	"deleteUserGroupUser", "getArtifactLifecyclePolicy", "getResourceLimits", "getService", "getSystemConfig",
	"getUserGroup", "getUserGroupRoles", "getUserGroupUsers", "listAccounts", "listAllUsers", "listFeeds",
	"listServices", "listUserGroups", "unsetSystemConfig", "updateAccount", "updateArtifactLifecyclePolicy",
	"updateFeeds", "updateLoggingLevel", "updateNotificationEndpoint", "updateSystemConfig", "updateUserGroup",
}

// selfActions concern the caller alone and need no grant.
var selfActions = []string{
	"selfCreateApiKey", "selfDeleteApiKey", "selfGetApiKey", "selfListApiKeys", "selfUpdateApiKey",
}
