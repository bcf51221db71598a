// Package source reads container images from where they lie on a machine: a directory, an archive of `docker save`,
// an OCI layout or an archive of one, a Docker daemon. Each becomes the same thing: a manifest, a configuration
// and layers that can be opened.
//
// An OCI layout has the manifest a registry would have, and so the same digest. A Docker archive and a directory
// have none; theirs is made: Docker's schema 2 with one line per layer, whose digest is the diff id and whose size
// that of the plain tar. It depends on the configuration and the layers' content alone, so that saving an image
// twice, compressed or not, gives the same digest.
//
// Archives are hostile: members are found by their exact names, nothing of them is written to a path, links lead
// to other members only, every document is bounded, and manifest, configuration and layers must have the digests
// they are named by. A layer is checked while it is read, by whoever reads it.
package source
