# Prints every gem whose specification lies below a directory, as Ruby's own library reads it.
require "find"

Find.find(ARGV[0]) do |file|
  next unless file.end_with?(".gemspec") && file.include?("/specifications/")
  spec = Gem::Specification.load(file)
  puts ["gem", spec.name, spec.version].join("\t") if spec
end
