// Package secret finds credentials that were left in files: keys, tokens and passwords of known form.
//
// One look for the rules' keywords over a file decides where rules look at all; a rule's expression then sees the
// text from its keyword on and nothing else. Names of rules are a contract: policies refer to them. AWS_ACCESS_KEY,
// AWS_SECRET_KEY, PRIV_KEY, DOCKER_AUTH and API_KEY are those of Anchore, the rules themselves are not: they
// ask for the form the issuer documents, for key material behind the header of a private key, for a decodable
// user and password, and they pass over the examples of documentation.
//
// Files that are not text, that are larger than the operator allows or that lie where package managers keep their
// own lists are not looked into, and not reported as such: they are most of an image.
package secret
