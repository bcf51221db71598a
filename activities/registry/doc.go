// Package registry reads container images from registries that speak the OCI distribution protocol: what a
// reference names now, for one platform or all, the layer blobs, streamed, and what is attached to an image.
//
// A registry is not trusted. Documents are bounded and checked against their digests, a reference by digest
// gets exactly those bytes, foreign layers are fetched from the addresses a manifest lists only at hosts the
// operator allows, and what a registry says in an error is cut short and freed of credentials before anybody sees
// it. Credentials go to
// the registry they were entered for and to its token service, never over plain HTTP unless the registry is on
// this machine or its entry says that TLS is not to be verified.
//
// Every failure is an *Error of one Kind, so that callers decide about retries without reading messages. The
// package itself repeats nothing but the rest of a blob whose transfer broke off.
package registry
