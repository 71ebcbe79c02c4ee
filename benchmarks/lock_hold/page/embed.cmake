# cmake -D FILES=page.html;page.css -D OUTPUT=page_parts.cpp -P embed.cmake
# Writes each file as the std::string_view that page_parts.h declares: page.css becomes page_css.
set(source "#include \"page_parts.h\"\n\nnamespace xa_tm::bench::page_parts {\n")
foreach(file IN LISTS FILES)
    get_filename_component(name "${file}" NAME)
    string(REPLACE "." "_" name "${name}")
    file(READ "${file}" bytes HEX)
    string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
    string(APPEND source
        "constexpr char ${name}_bytes[] = {${bytes}};\n"
        "const std::string_view ${name}{${name}_bytes, sizeof ${name}_bytes};\n")
endforeach()
file(WRITE "${OUTPUT}" "${source}}  // namespace xa_tm::bench::page_parts\n")
