# Finds SOCI with its PostgreSQL and MySQL back ends; Debian's package ships no CMake files of its own.
# Defines the targets Soci::core, Soci::postgresql and Soci::mysql.
find_path(Soci_INCLUDE_DIR soci/soci.h)
find_library(Soci_core_LIBRARY soci_core)
find_library(Soci_postgresql_LIBRARY soci_postgresql)
find_library(Soci_mysql_LIBRARY soci_mysql)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Soci REQUIRED_VARS
    Soci_core_LIBRARY Soci_postgresql_LIBRARY Soci_mysql_LIBRARY Soci_INCLUDE_DIR)
if(Soci_FOUND AND NOT TARGET Soci::core)
    foreach(component IN ITEMS core postgresql mysql)
        add_library(Soci::${component} UNKNOWN IMPORTED)
        set_target_properties(Soci::${component} PROPERTIES
            IMPORTED_LOCATION "${Soci_${component}_LIBRARY}"
            # SOCI's own headers include each other without the soci/ prefix.
            INTERFACE_INCLUDE_DIRECTORIES "${Soci_INCLUDE_DIR};${Soci_INCLUDE_DIR}/soci")
    endforeach()
    # The back ends' headers include those of the C clients.
    target_link_libraries(Soci::postgresql INTERFACE Soci::core PostgreSQL::PostgreSQL)
    target_link_libraries(Soci::mysql INTERFACE Soci::core MariaDB::client)
endif()
mark_as_advanced(Soci_INCLUDE_DIR Soci_core_LIBRARY Soci_postgresql_LIBRARY Soci_mysql_LIBRARY)
