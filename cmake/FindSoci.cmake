# Finds SOCI with its PostgreSQL and MySQL back ends; Debian's package ships no CMake files of its own.
# Defines the targets Soci::core, Soci::postgresql and Soci::mysql.
find_path(Soci_INCLUDE_DIR soci/soci.h)
find_library(Soci_core_LIBRARY soci_core)
find_library(Soci_postgresql_LIBRARY soci_postgresql)
find_library(Soci_mysql_LIBRARY soci_mysql)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Soci REQUIRED_VARS
    Soci_core_LIBRARY Soci_postgresql_LIBRARY Soci_mysql_LIBRARY Soci_INCLUDE_DIR)
# The driver uses the connections that SOCI has made, so both have to have one client library.
if(Soci_FOUND AND MySQLClient_FOUND)
    file(STRINGS "${Soci_mysql_LIBRARY}" soci_client
        REGEX "^lib(mariadb|mysqlclient)\\.so" LIMIT_COUNT 1)
    cmake_path(GET MySQLClient_LIBRARY STEM client_name)
    if(soci_client AND NOT soci_client MATCHES "^${client_name}\\.")
        message(FATAL_ERROR "${Soci_mysql_LIBRARY} needs ${soci_client}, and the MySQL driver is to "
            "be built with ${MySQLClient_LIBRARY}; set XA_TM_MYSQL_CLIENT to the client of SOCI, or "
            "Soci_mysql_LIBRARY to a SOCI back end that was built with this client")
    endif()
endif()
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
    target_link_libraries(Soci::mysql INTERFACE Soci::core MySQL::client)
endif()
mark_as_advanced(Soci_INCLUDE_DIR Soci_core_LIBRARY Soci_postgresql_LIBRARY Soci_mysql_LIBRARY)
