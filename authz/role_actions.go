package authz

// What each role may do in the domain it is granted for; see the role values in role.go.

// readWriteActions is what the read-write role may do.
var readWriteActions = []string{
	"addAction", "addCorrection", "createApplication", "createArchiveTransitionRule", "createArchivedImageAnalysis",
	"createArtifactRelationship", "createImage", "createNotificationEndpointConfiguration", "createPolicy",
	"createRegistry", "createRepository", "createSubscription", "deleteApplication", "deleteArchiveTransitionRule",
	"deleteArchivedImageAnalysis", "deleteArtifactRelationships", "deleteCorrection", "deleteEvents", "deleteImage",
	"deleteInventory", "deleteKubernetesNamespaces", "deleteNotificationEndpointConfiguration", "deletePolicy",
	"deleteRegistry", "deleteSource", "deleteSubscription", "getAccount", "getActions", "getAlert", "getApplication",
	"getArchiveTransitionRule", "getArchivedImageAnalysis", "getArtifactRelationship", "getArtifactRelationshipDiff",
	"getCorrection", "getECSContainers", "getECSServices", "getECSTasks", "getEvent", "getImage", "getImageEvaluation",
	"getIntegration", "getKubernetesContainers", "getKubernetesNamespaces", "getKubernetesNodes", "getKubernetesPods",
	"getNotificationEndpointConfiguration", "getPolicy", "getRegistry", "getSource", "getSourceEvaluation",
	"getSubscription", "importImage", "importSource", "listAlerts", "listArchiveTransitionRules",
	"listArchivedImageAnalysis", "listArchives", "listArtifactRelationships", "listEvents", "listImages",
	"listIntegrations", "listNotificationEndpointConfigurations", "listNotificationEndpoints", "listPolicies",
	"listRegistries", "listRuntimeInventories", "listSources", "listSubscriptions", "syncInventory", "updateAlert",
	"updateApplication", "updateCorrection", "updateNotificationEndpointConfiguration", "updatePolicy",
	"updateRegistry", "updateSubscription", "viewReports",
}

// readOnlyActions is what the read-only role may do.
var readOnlyActions = []string{
	"getAccount", "getActions", "getAlert", "getApplication", "getArchiveTransitionRule", "getArchivedImageAnalysis",
	"getArtifactRelationship", "getArtifactRelationshipDiff", "getCorrection", "getECSContainers", "getECSServices",
	"getECSTasks", "getEvent", "getImage", "getImageEvaluation", "getIntegration", "getKubernetesContainers",
	"getKubernetesNamespaces", "getKubernetesNodes", "getKubernetesPods", "getNotificationEndpointConfiguration",
	"getPolicy", "getRegistry", "getSource", "getSourceEvaluation", "getSubscription", "listAlerts",
	"listArchiveTransitionRules", "listArchivedImageAnalysis", "listArchives", "listArtifactRelationships",
	"listEvents", "listImages", "listIntegrations", "listNotificationEndpointConfigurations",
	"listNotificationEndpoints", "listPolicies", "listRegistries", "listRuntimeInventories", "listSources",
	"listSubscriptions", "viewReports",
}

// policyEditorActions is what the policy-editor role may do.
var policyEditorActions = []string{
	"createPolicy", "deletePolicy", "getImage", "getImageEvaluation", "getPolicy", "listImages", "listPolicies",
	"listSubscriptions", "updatePolicy",
}

// imageAnalyzerActions is what the image-analyzer role may do.
var imageAnalyzerActions = []string{
	"createImage", "getEvent", "getImage", "getImageEvaluation", "getSubscription", "importImage", "listEvents",
	"listImages", "listSubscriptions",
}

// accountUsersAdminActions is what the account-users-admin role may do.
var accountUsersAdminActions = []string{
	"createApiKey", "createRoleMember", "createUser", "deleteApiKey", "deleteRoleMember", "deleteUser", "getAccount",
	"getApiKey", "getRole", "getUser", "listAccountUsersWithRoles", "listApiKeys", "listRoleMembers", "listRoles",
	"listUsers", "updateApiKey", "updateUser",
}

// inventoryAgentActions is what the inventory-agent role may do.
var inventoryAgentActions = []string{
	"registerIntegration", "reportHealth", "syncInventory",
}

// annotationViewerActions is what the vuln-annotator-viewer role may do.
var annotationViewerActions = []string{
	"getVulnAnnotation", "listVulnAnnotations",
}

// annotationEditorActions is what the vuln-annotator-editor role may do.
var annotationEditorActions = []string{
	"createVulnAnnotation", "deleteVulnAnnotation", "getVulnAnnotation", "listVulnAnnotations", "updateVulnAnnotation",
}
