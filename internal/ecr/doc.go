// Package ecr exchanges AWS credentials for the password of an Elastic Container Registry.
//
// A registry entry of type awsecr holds, as user name and password,
//   - an access key id and its secret;
//   - awsauto (both): the credentials the process itself runs with;
//   - _iam_role:ARN and anything: a role that the process's own credentials assume;
//   - AWS and a password somebody fetched with the AWS command line, valid for twelve hours: no exchange.
//
// The process's own credentials are lent to accounts only where the operator allows it: whoever may add a registry
// would otherwise read with the server's rights.
//
// Invariants: tokens are kept in memory only, by a digest of what they were bought with, renewed before they expire
// and once more when a registry refuses them; one exchange at a time per credential; no error carries a secret.
package ecr
