package receipt

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/listing"
	"plimsoll/engine/catalog/sqlite"
)

const (
	conanTable = "packages"
	// conanColumns are those read of a row, which begins with reference, recipe revision, package id, package revision.
	conanColumns = 4
	// maxConanRow bounds a row, in bytes; references and ids have some hundred.
	maxConanRow = 16 << 10
)

var errReference = errors.New("not a reference of Conan")

// wantsConanCache: CACHE/p/cache.sqlite3, which knows what lies in the folders of a cache of Conan 2 beside it (Conan's
// conan/internal/cache/db: the table packages has a row for each binary, the table recipes one for each recipe, which alone
// installs nothing).
func wantsConanCache(c catalog.Candidate) bool {
	return strings.HasSuffix(c.Path, "/p/cache.sqlite3") && (len(c.Head) == 0 || strings.HasPrefix(string(c.Head), sqlite.Magic))
}

func conanCache(ctx context.Context, f *catalog.File) (catalog.Evidence, error) {
	list := listing.Installed(f, catalog.TypeConan, "ConaninfoMetadata")
	var odd error
	err := sqlite.Table(ctx, f.Content, f.Size, conanTable, maxConanRow, func(row []sqlite.Value) error {
		if len(row) < conanColumns {
			return fmt.Errorf("%w: a row of %d columns", sqlite.ErrMalformed, len(row))
		}
		if _, built := row[3].Text(); !built {
			return nil // under construction
		}
		reference, _ := row[0].Text()
		id, _ := row[2].Text()
		name, version, user, channel, ok := conanReference(reference)
		if !ok {
			odd = fmt.Errorf("%w: %.80q", errReference, reference)
			return nil
		}
		list.Add(conanPackage(name, version, user, channel, id))
		return nil
	})
	if err != nil {
		err = fmt.Errorf("read %s: %w", f.Path, err)
	}
	return list.Evidence(err, odd)
}

// conanReference reads name/version[@user[/channel]] (docs.conan.io/2, "What is a recipe reference").
func conanReference(text string) (name, version, user, channel string, ok bool) {
	text, place, _ := strings.Cut(text, "@")
	user, channel, _ = strings.Cut(place, "/")
	name, version, ok = strings.Cut(text, "/")
	return name, version, user, channel, ok && name != "" && version != ""
}
