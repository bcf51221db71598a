package builtin_test

import (
	"testing"

	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/builtin"
)

// ordinary are paths as layers have them, with heads, most of them of interest to nobody.
var ordinary = map[string]string{
	"/usr/share/zoneinfo/Europe/Berlin": "TZif2", "/usr/share/doc/libc6/changelog.gz": "\x1f\x8b", "/usr/share/locale/de/LC_MESSAGES/tar.mo": "\xde\x12\x04\x95",
	"/usr/bin/true": "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00>\x00", "/usr/lib/x86_64-linux-gnu/libz.so.1.2.13": "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00>\x00",
	"/usr/lib/python3.11/site-packages/requests/models.py":   "\"\"\"\nrequests.models\n",
	"/usr/lib/python3.11/__pycache__/ast.cpython-311.pyc":    "\xa7\r\r\n",
	"/app/node_modules/lodash/fp/_baseConvert.js":            "var mapping = require('./_mapping'),",
	"/app/node_modules/lodash/package.json":                  "{\n  \"name\": \"lodash\",",
	"/usr/local/lib/ruby/gems/3.2.0/gems/rake-13.0.6/MIT-L":  "Copyright (c) Jim Weirich",
	"/var/lib/dpkg/info/libc6.postinst":                      "#!/bin/sh\nset -e\n",
	"/etc/ssl/certs/ca-certificates.crt":                     "-----BEGIN CERTIFICATE-----\n",
	"/usr/include/linux/if_ether.h":                          "/* SPDX-License-Identifier: GPL-2.0-or-later */",
	"/opt/app/BOOT-INF/classes/application.yml":              "spring:\n",
	"/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf":        "\x00\x01\x00\x00",
	"/var/www/html/wp-content/plugins/akismet/_inc/img/a.pn": "\x89PNG\r\n\x1a\n",
}

// One operation is one file, asked of every analyzer.
func BenchmarkWants(b *testing.B) {
	analyzers := append(builtin.All(), builtin.Declared()...)
	var files []catalog.Candidate
	for name, head := range ordinary {
		files = append(files, catalog.Candidate{
			Entry: catalog.Entry{Path: name, Type: catalog.Regular, Mode: 0o644, Size: 40_000}, Head: []byte(head),
		})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for j := range analyzers {
			analyzers[j].Wants(files[i%len(files)])
		}
	}
	b.ReportMetric(float64(len(analyzers)), "analyzers")
}
