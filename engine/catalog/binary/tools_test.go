package binary

import "testing"

// The texts are modelled on published descriptions of what stands around the version; unlike those of TestVersions they
// were not taken from the programs.
func TestVersionsOfTools(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, content, want string }{
		{"/opt/pypy/bin/libpypy3.9-c.so", "3.9.17 (44dce70, Jun 15 2023)\n[PyPy 7.3.12 with GCC 10.2.1\x00", "pypy 7.3.12"},
		{"/usr/local/julia/lib/julia/libjulia-internal.so.1.9", "\x00__init__\x001.9.3\x00verify\x00", "julia 1.9.3"},
		{"/usr/lib/dart/bin/dart", "Dart,GC\"\x003.5.2 (stable)\x00", "dart 3.5.2"},
		{"/usr/lib/dart/bin/dart", "Dart,GC\"\x003.6.0-216.1.beta (beta)\x00", "dart 3.6.0-216.1.beta"},
		{"/bin/deno", "\x00User-AgentDeno/1.41.0foreign", "deno 1.41.0"},
		{"/opt/ghc/bin/ghc-9.4.7", "\x00GHC 9.4.7\x00", "ghc 9.4.7"},
		{"/usr/local/bin/stack", "Version 2.13.1, Git revision 8102bb8afce90fc954f48efae38b87f37cabc988", "stack 2.13.1"},
		{"/usr/lib/swi-prolog/bin/x86_64-linux/swipl", "/tmp/src/swipl-9.1.21/src/pl-init.c\x00", "swipl 9.1.21"},
		{"/usr/local/bin/gcc", "\x00GCC: (GNU) 12.3.0\x00GCC: (Debian 12.2.0-14) 12.2.0\x00", "gcc 12.3.0"},
		{"/usr/local/bin/valkey-server", "\x00valkey9.0.0buildkitsandbox-1764887574000000000\x00", "valkey 9.0.0"},
		{"/usr/sbin/lighttpd", "\x00lighttpd/1.4.76\x00", "lighttpd 1.4.76"},
		{"/usr/sbin/proftpd", "\x00ProFTPD Version 1.3.8b\x00", "proftpd 1.3.8b"},
		{"/fluent-bit/bin/fluent-bit", "\x003.0.2\x00%sFluent Bit v%s%s", "fluent-bit 3.0.2"},
		{"/fluent-bit/bin/fluent-bit", "\x00\x001.3.10\x00\x00Fluent Bit v%s", "fluent-bit 1.3.10"},
		{"/fluent-bit/bin/fluent-bit", "\x001.7.0\x00\x1b[1m\x00%sFluent Bit", "fluent-bit 1.7.0"},
		{"/usr/bin/mongod", "git version\x007.0.5\x00tcmalloc\x00", "mongodb 7.0.5"},
		{"/usr/sbin/mysqld", "/mnt/workspace/percona-server-8.0.35-27/sql/mysqld.cc\x00", "percona-server 8.0.35"},
		{"/usr/bin/xtrabackup", "/build/percona-xtrabackup-8.0.35-30/storage/innobase\x00", "percona-xtrabackup 8.0.35"},
		{"/usr/bin/arangosh", "\x003.11.8 enterprise [linux] 64bit", "arangodb 3.11.8"},
		{"/usr/bin/arangosh", "\x003.12.0-1 [linux] 64bit", "arangodb 3.12.0-1"},
		{"/opt/openldap/bin/ldapsearch", "@(#) $OpenLDAP: ldapsearch 2.6.7 (Jan 29 2024 21:31:49) $\n", "openldap 2.6.7"},
		{"/usr/bin/openssl", "\x00OpenSSL 1.1.1 (compatible; AWS-LC 1.69.0)\x00", "aws-lc 1.69.0"},
		{"/usr/bin/getopt", "\x00util-linux 2.38.1\x00", "util-linux 2.38.1"},
		{"/usr/local/bin/xz", "\x00xz (XZ Utils) 5.4.5\x00", "xz 5.4.5"},
		{"/usr/local/bin/ffmpeg", "%s version 7.1.1 Copyright (c) %d-%d\x00", "ffmpeg 7.1.1"},
		{"/usr/local/bin/ffmpeg", "%s version 6.0\x00", "ffmpeg 6.0"},
		{"/usr/local/lib/libavcodec.so.61", "\x00FFmpeg version 7.0\x00", "ffmpeg 7.0"},
		{"/opt/qt/lib/libQt6Core.so.6.5.0", "\x00\x00Qt 6.5.0 (x86_64-little_endian-lp64 shared (dynamic) release build)", "qtbase 6.5.0"},
		{"/opt/google/chrome/chrome", "\x00127.0.6533.119\x00Default\x00", "chrome 127.0.6533.119"},
		{"/usr/local/bin/envoy", "\x001.36.4\x00\x00envoy_reloadable_features_x\x00", "envoy 1.36.4"},
	} {
		if got := found(t, c.file, c.content); got != c.want {
			t.Errorf("%s %q: got %q, want %q", c.file, c.content, got, c.want)
		}
	}
}

func TestToolsWithoutAVersionToGoBy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, content string }{
		"a library's version beside Envoy's":  {"/usr/local/bin/envoy", "\x001.36.4\x00x\x001.34.5\x00"},
		"a distribution's compiler":           {"/usr/bin/gcc", "\x00GCC: (Debian 12.2.0-14) 12.2.0\x00"},
		"a wrapper called as a Go program":    {"/usr/bin/kubelet", "\x00v1.28.4\x00"},
		"the word before a version elsewhere": {"/usr/bin/vault", "revoke1.18.0"},
		"a browser's library version":         {"/opt/google/chrome/chrome", "\x001.2.3.4\x00Default\x00"},
	} {
		if got := found(t, c.file, c.content); got != "" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// Constants of one length follow each other, so that the version may run into another number.
func TestVersionAmongConstants(t *testing.T) {
	t.Parallel()
	for i := range tools {
		if tools[i].Name != "vault" {
			continue
		}
		text := []byte("reduce" + "revoke" + "1.18.0" + "2.5.4.3")
		if got := tools[i].tries("vault")[0].version(text[6:], 0, 6); got != "1.18.0" {
			t.Errorf("got %q", got)
		}
		return
	}
	t.Error("no such classifier")
}
